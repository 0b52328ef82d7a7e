"""The supervisor: it talks to the database and to the children, and never imports the user's code."""

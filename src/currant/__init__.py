"""Currant: a durable job scheduler that needs nothing but Postgres."""

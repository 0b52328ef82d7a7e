"""What can go wrong, as one line for people."""


class PeersError(Exception):
    """Something is missing, or a system did not do what is measured; the message says what, and what to do."""

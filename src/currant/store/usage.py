"""What has been sent to the database, by name."""

from currant.records import StatementUse

#: A new connection, its session's SET, a LISTEN, and what a transaction takes.
CONNECT, SESSION, LISTEN, BEGIN, COMMIT, ROLLBACK = "connect", "session", "listen", "begin", "commit", "rollback"
#: A statement was made ready in a connection for the first time, with these types of its parameters. The server counts
#: that as a transaction of its own; the time is within that of the statement, which is sent next.
PREPARE = "prepare"


class Usage:
    """Counts what is sent over any number of connections of one thread.

    The sum of the calls is what the server counts as transactions, but for those within a BEGIN and a COMMIT.
    """

    def __init__(self) -> None:
        self._uses: dict[str, StatementUse] = {}

    def __getitem__(self, name: str) -> StatementUse:
        """Returns the count of this name, for who adds to it."""
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = StatementUse(0, 0, 0.0)
        return use

    def note(self, name: str, seconds: float) -> None:
        """Counts what has no rows."""
        use = self[name]
        use.calls += 1
        use.seconds += seconds

    def add(self, other: "Usage") -> None:
        """Adds what another has counted."""
        for name, theirs in other.snapshot().items():
            use = self[name]
            use.calls += theirs.calls
            use.rows += theirs.rows
            use.seconds += theirs.seconds

    @property
    def calls(self) -> int:
        """How often anything was sent."""
        return sum(use.calls for use in self._uses.values())

    def snapshot(self) -> dict[str, StatementUse]:
        """Returns the counts as they are now, by name."""
        return {name: StatementUse(use.calls, use.rows, use.seconds) for name, use in self._uses.items()}

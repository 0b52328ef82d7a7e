"""Every error that crosses Currant's API. Each message says what was wrong and what to do about it."""


class CurrantError(Exception):
    """The base of all errors that Currant raises for its users."""


class ConfigurationError(CurrantError):
    """A setting, an option or a decorator's argument has a value that cannot be used."""


class DatabaseError(CurrantError):
    """The database cannot be used as it is: unreachable, refused, or not what was expected."""


class DatabaseUnreachable(DatabaseError):
    """No server answers at the address."""


class NoAnswer(DatabaseUnreachable):
    """A statement was not answered in time: the connection, or the server, hangs."""


class StatementRefused(DatabaseError):
    """The database refuses a statement or its data; the same statement will be refused again."""


class RowLocked(StatementRefused):
    """Someone else holds a row that the statement is to write, for longer than we wait."""


class SchemaError(DatabaseError):
    """The schema is missing, or of a version that this Currant does not know."""


class EmbeddedError(CurrantError):
    """The embedded Postgres cannot be found or started."""


class RegistrationError(CurrantError):
    """A function cannot become a job: its name is taken, or it is of a kind that Currant cannot run."""


class PayloadError(CurrantError):
    """Arguments or a result that cannot be stored."""


class NotJSON(PayloadError):
    """A value is not JSON, or holds what Postgres cannot store in jsonb."""


class DoesNotFit(PayloadError):
    """Stored arguments or a stored result are not what the function's annotations say."""


class PayloadTooLarge(PayloadError):
    """Arguments or a result are larger than CURRANT_PAYLOAD_BYTES_MAX."""


class NoSupervisor(CurrantError):
    """No `currantd` runs where it was looked for."""


class ProtocolError(CurrantError):
    """A frame on one of Currant's own sockets is not what the protocol allows."""


class ModuleImportFailed(CurrantError):
    """A module of the user's cannot be imported; the text holds its traceback."""


class HookFailed(CurrantError):
    """A start hook of the user's failed in a child, or children end before they are ready; the text says how."""


class ExecutionFailed(CurrantError):
    """The execution whose result was awaited failed for good. `traceback` is its own, as text."""

    def __init__(self, id: str, kind: str, message: str, traceback: str | None) -> None:
        super().__init__(id, kind, message, traceback)
        self.id, self.type, self.message, self.traceback = id, kind, message, traceback

    def __str__(self) -> str:
        return f"the execution {self.id} failed with {self.type}: {self.message}"


class ExecutionCancelled(CurrantError):
    """The execution whose result was awaited was cancelled, or discarded itself."""


class ExecutionNotFound(CurrantError):
    """The execution is not in the database, or not any more."""

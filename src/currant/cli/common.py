"""What the commands share: how they report a user's mistake, log, and come to a database."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Annotated

import structlog
import typer

from currant.errors import ConfigurationError, CurrantError
from currant.settings import Settings, with_database
from currant.store import connections
from currant.store.embedded import start_kept
from currant.supervisor.events import Log

EmbeddedOption = Annotated[
    bool, typer.Option("--embedded", help="Use Currant's own Postgres, kept in CURRANT_EMBEDDED_DIR.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="The address of the database; or CURRANT_DATABASE_URL."),
]


@contextlib.contextmanager
def reported(command: str) -> Iterator[None]:
    """Turns Currant's errors into one line and an exit status: 2 for a mistake in the call, 1 for the rest."""
    try:
        yield
    except CurrantError as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None


@contextlib.contextmanager
def database(settings: Settings, *, embedded: bool) -> Iterator[Settings]:
    """Gives settings with an address: the user's own, or, only when asked, the embedded server's.

    Raises:
        ConfigurationError: there is none, or it cannot be read.
    """
    if embedded:
        with start_kept(settings.embedded_dir) as server:
            yield with_database(settings, server.url)
        return
    if settings.database_url is None:
        raise ConfigurationError(
            "no database is named: set CURRANT_DATABASE_URL (or --database-url) to its address,"
            " or ask for Currant's own with --embedded"
        )
    connections.check_url(settings.database_url)
    yield settings


def make_log(level: str) -> Log:
    """Returns the log to standard error: coloured columns on a terminal, `key=value` elsewhere."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if terminal
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    log: Log = structlog.wrap_logger(
        _UnbreakableLogger(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _plain_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    return log


class _UnbreakableLogger:
    """Writes lines to standard error. Its reader may go: lines are dropped then, and nothing else happens."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg


def _plain_event(
    logger: structlog.typing.WrappedLogger, method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    fields["event"] = str(fields["event"])
    return fields

"""What the commands share: how they report a user's mistake, log, and come to a database."""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, TypeVar

import typer

from currant import settings as setting
from currant.cli import exits
from currant.cli.interrupts import run_async
from currant.cli.options import setting_option as setting_option
from currant.errors import ConfigurationError, CurrantError
from currant.release import release
from currant.settings import Settings, with_database
from currant.store import connections, inspection
from currant.store.connections import Connection
from currant.store.embedded import start_kept

T = TypeVar("T")


EmbeddedOption = Annotated[
    bool,
    typer.Option(
        "--embedded", help="Use Currant's own Postgres, kept in CURRANT_EMBEDDED_DIR.", rich_help_panel=setting.DATABASE
    ),
]
#: On the command line other users can see the password in it; in the environment they cannot.
DatabaseOption = Annotated[str | None, setting_option("database_url", "--database-url", metavar="URL")]
RuntimeDirOption = Annotated[str | None, setting_option("runtime_dir", "--runtime-dir", metavar="PATH")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"Currant {release()}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]


@contextlib.contextmanager
def reported(command: str) -> Iterator[None]:
    """Turns Currant's errors, and Ctrl-C, into one line and an exit code, as exits.py says."""
    try:
        yield
    except CurrantError as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        raise typer.Exit(exits.of(error)) from None
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        raise typer.Exit(exits.INTERRUPTED) from None


def shows_password(url_option: str | None) -> bool:
    """Whether the command line itself holds a password, which every user of the machine can read there."""
    return url_option is not None and connections.has_password(url_option)


def warn_of_password(url_option: str | None) -> None:
    """Says on standard error that the command line holds a password, if it does."""
    if shows_password(url_option):
        print(
            "currant: warning: the password in --database-url is seen by every user of this machine (ps):"
            " give it in CURRANT_DATABASE_URL, PGPASSWORD or a password file",
            file=sys.stderr,
        )


def check_exclusive(*, embedded: bool, url_option: str | None) -> None:
    """Raises ConfigurationError when the command line names two databases."""
    if embedded and url_option is not None:
        raise ConfigurationError("--embedded and --database-url exclude each other")


@contextlib.contextmanager
def database(settings: Settings, *, embedded: bool, url_option: str | None, warns: bool = True) -> Iterator[Settings]:
    """Gives settings with an address: the user's own, or, only when asked, the embedded server's.

    Args:
        url_option: what the command line says; the settings also know the environment.
        warns: whether to say on standard error that the command line holds a password.

    Raises:
        ConfigurationError: there is none, or it cannot be read.
    """
    check_exclusive(embedded=embedded, url_option=url_option)
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
    if warns:
        warn_of_password(url_option)
    yield settings


@contextlib.contextmanager
def named_database(url_option: str | None, *, embedded: bool, command: str = "currant") -> Iterator[Settings]:
    """Gives the settings of a command that takes none beside its database, and reports its errors."""
    with reported(command):
        settings = setting.load({"database_url": url_option})
        with database(settings, embedded=embedded, url_option=url_option) as complete:
            yield complete


def ask(settings: Settings, question: Callable[[Connection], Awaitable[T]]) -> tuple[T, float]:
    """Asks the database over a connection of its own; returns the answer and the database's clock, in Unix time.

    Raises what `inspection.opened` does.
    """

    async def asked() -> tuple[T, float]:
        async with inspection.opened(str(settings.database_url)) as connection:
            return await question(connection), await inspection.clock_s(connection)

    return run_async(asked)

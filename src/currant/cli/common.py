"""What the commands share: how they report a user's mistake, log, and come to a database."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Annotated, Any

import typer

from currant.errors import ConfigurationError, CurrantError
from currant.settings import Settings, environment_name, with_database
from currant.store import connections
from currant.store.embedded import start_kept


def setting_option(name: str, *flags: str, metavar: str) -> Any:
    """Returns the option of a setting: help, default and environment variable come from there.

    Its value stays a text: the setting checks it, whichever way it comes.
    """
    each = next(each for each in dataclasses.fields(Settings) if each.name == name)
    default = each.metadata["default"].replace("`", "")
    note = environment_name(name) if default == "none" else f"{environment_name(name)}; {default}"
    return typer.Option(*flags, metavar=metavar, help=f"{each.metadata['help']} [{note}]", show_default=False)


EmbeddedOption = Annotated[
    bool, typer.Option("--embedded", help="Use Currant's own Postgres, kept in CURRANT_EMBEDDED_DIR.")
]
#: On the command line other users can see the password in it; in the environment they cannot.
DatabaseOption = Annotated[str | None, setting_option("database_url", "--database-url", metavar="URL")]
RuntimeDirOption = Annotated[str | None, setting_option("runtime_dir", "--runtime-dir", metavar="PATH")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"Currant {metadata.version('currant')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]


@contextlib.contextmanager
def reported(command: str) -> Iterator[None]:
    """Turns Currant's errors into one line and an exit status: 2 for a mistake in the call, 1 for the rest."""
    try:
        yield
    except CurrantError as error:
        print(f"{command}: error: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None


def check_exclusive(*, embedded: bool, url_option: str | None) -> None:
    """Raises ConfigurationError when the command line names two databases."""
    if embedded and url_option is not None:
        raise ConfigurationError("--embedded and --database-url exclude each other")


@contextlib.contextmanager
def database(settings: Settings, *, embedded: bool, url_option: str | None) -> Iterator[Settings]:
    """Gives settings with an address: the user's own, or, only when asked, the embedded server's.

    Args:
        url_option: what the command line says; the settings also know the environment.

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
    yield settings

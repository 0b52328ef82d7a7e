"""`currantd`: one supervisor and its children."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from currant import settings as setting
from currant.cli.common import DatabaseOption, EmbeddedOption, database, make_log, reported
from currant.errors import ConfigurationError
from currant.settings import Settings
from currant.store import connections, migrate
from currant.supervisor.events import Log
from currant.supervisor.forkserver import ForkServer
from currant.supervisor.instance import Instance, acquire
from currant.supervisor.service import Service, start_fork_server

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    procs: Annotated[int | None, typer.Option("--procs", help="Child processes; by default one per core.")] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Executions at a time in each child.")
    ] = None,
    modules: Annotated[
        list[str] | None, typer.Option("--modules", "-m", help="A module that registers jobs; may be repeated.")
    ] = None,
    queues: Annotated[
        list[str] | None,
        typer.Option("--queues", "-q", help="A queue to work on; by default, those that the modules register."),
    ] = None,
    grace: Annotated[
        float | None, typer.Option("--grace", help="Seconds that a stop waits for running executions.")
    ] = None,
    runtime_dir: Annotated[
        Path | None, typer.Option("--runtime-dir", help="The private folder of the lock and the control socket.")
    ] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")] = None,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Runs jobs: one supervisor, which talks to Postgres, and its child processes, which run your code.

    Every option can also be given as CURRANT_<NAME> in the environment or in [tool.currant] of pyproject.toml.
    SIGTERM or SIGINT stops it gracefully; a second one hurries.
    """
    given = {
        "procs": procs,
        "concurrency": concurrency,
        "modules": _split(modules),
        "queues": _split(queues),
        "grace_s": grace,
        "runtime_dir": runtime_dir,
        "log_level": log_level,
        "database_url": database_url,
    }
    with reported("currantd"):
        settings = setting.load(given)
        if not settings.modules:
            raise ConfigurationError(
                "no module is named: give the one that holds your jobs with -m, in CURRANT_MODULES,"
                " or as modules = [...] in [tool.currant] of pyproject.toml"
            )
        log = make_log(settings.log_level)
        with database(settings, embedded=embedded) as complete:
            instance = acquire(complete.runtime_dir)
            if embedded:
                asyncio.run(_prepare(complete, log))
            # Before there is an event loop, a thread or a connection.
            fork_server = start_fork_server(complete)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(complete, instance, log, fork_server))
            instance.close()


async def _serve(settings: Settings, instance: Instance, log: Log, fork_server: ForkServer) -> None:
    await Service(settings, instance, log).run(fork_server)


async def _prepare(settings: Settings, log: Log) -> None:
    """The embedded database is Currant's own: its schema is made without being asked for."""
    assert settings.database_url is not None
    connection = await connections.connect(settings.database_url, "currantd:migrate")
    await migrate.migrate(connection)
    await connection.close()
    log.info("embedded database", CURRANT_DATABASE_URL=settings.database_url)


def _split(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None


def main() -> None:
    app()


if __name__ == "__main__":
    main()

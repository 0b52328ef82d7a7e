"""`currantd`: one supervisor and its children."""

import asyncio
import resource
import signal
from typing import Annotated

import typer
import uvloop

from currant import settings as setting
from currant.cli.common import (
    DatabaseOption,
    EmbeddedOption,
    RuntimeDirOption,
    VersionOption,
    database,
    reported,
    setting_option,
)
from currant.cli.log import make_log
from currant.errors import ConfigurationError
from currant.settings import Settings
from currant.store import migrate
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer
from currant.supervisor.instance import Instance, acquire
from currant.supervisor.service import Service, start_fork_server

DESCRIPTORS_MAX = 65_536
#: Its socket, its pidfd and its cells; and what the supervisor has besides its children.
DESCRIPTORS_PER_CHILD, DESCRIPTORS_BESIDES = 3, 64

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    procs: Annotated[str | None, setting_option("procs", "--procs", metavar="N")] = None,
    concurrency: Annotated[str | None, setting_option("concurrency", "--concurrency", metavar="N")] = None,
    modules: Annotated[list[str] | None, setting_option("modules", "--modules", "-m", metavar="MODULE")] = None,
    queues: Annotated[list[str] | None, setting_option("queues", "--queues", "-q", metavar="QUEUE")] = None,
    grace: Annotated[str | None, setting_option("grace_s", "--grace", metavar="SECONDS")] = None,
    runtime_dir: RuntimeDirOption = None,
    log_level: Annotated[str | None, setting_option("log_level", "--log-level", metavar="LEVEL")] = None,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
    version: VersionOption = False,
) -> None:
    """Runs jobs: one supervisor, which talks to Postgres, and its child processes, which run your code.

    Every option can also be given as the variable that its line names, or in [tool.currant] of pyproject.toml.
    -m and -q may be repeated, or take names separated by commas.
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
        for variable, meant in setting.unknown_variables().items():
            log.warning(Event.UNKNOWN_VARIABLE, variable=variable, did_you_mean=meant)
        with database(settings, embedded=embedded, url_option=database_url) as complete:
            instance = acquire(complete.runtime_dir)
            if embedded:
                # It is Currant's own: its schema is made without being asked for.
                asyncio.run(migrate.migrate_at(str(complete.database_url)))
                log.info(Event.EMBEDDED, CURRANT_DATABASE_URL=complete.database_url)
            _raise_descriptor_limit(complete.procs)
            fork_server = start_fork_server(complete)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(complete, instance, log, fork_server))
            instance.close()


async def _serve(settings: Settings, instance: Instance, log: Log, fork_server: ForkServer) -> None:
    await Service(settings, instance, log).run(fork_server)


def _raise_descriptor_limit(procs: int) -> None:
    """The usual soft limit of descriptors, 1,024, is for programs that use select().

    Raises:
        ConfigurationError: the hard limit is too low for so many children.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    needed = DESCRIPTORS_PER_CHILD * procs + DESCRIPTORS_BESIDES
    if limit < needed:
        raise ConfigurationError(
            f"--procs {procs} needs {needed} file descriptors, and the limit is {limit}:"
            " raise it (ulimit -n, or LimitNOFILE= in systemd), or start fewer children"
        )
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _split(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None


def main() -> None:
    # Until the service takes over, a stop is simply the end: nothing has been claimed.
    signal.signal(signal.SIGTERM, _stop_early)
    signal.signal(signal.SIGINT, _stop_early)
    app()


def _stop_early(number: int, frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()

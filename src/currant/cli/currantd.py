"""`currantd`: one supervisor and its children."""

import asyncio
import contextlib
import faulthandler
import inspect
from collections.abc import Callable, Sequence
from signal import Signals
from socket import socket
from typing import Annotated, Any

import uvloop

from currant import settings as setting
from currant.cli import exits, shell
from currant.cli.common import EmbeddedOption, VersionOption, database, reported, shows_password
from currant.cli.descriptors import raise_descriptor_limit
from currant.cli.interrupts import run_async
from currant.cli.log import make_log, make_writer
from currant.cli.options import is_flag, is_repeated, setting_option, settings_of_nodes
from currant.cli.relay import relayed
from currant.cli.shell import App
from currant.errors import ConfigurationError
from currant.settings import ServiceManager, Settings
from currant.store import migrate
from currant.supervisor import signals
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer, StartForkServer, fork_server_starter
from currant.supervisor.instance import Instance, acquire
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.metrics.listening import listen
from currant.supervisor.service import Service

app = App()


def run(
    embedded: EmbeddedOption = False,
    version: VersionOption = False,
    **options: list[str] | str | bool | None,
) -> None:
    """Runs jobs: one supervisor, which talks to Postgres, and its child processes, which run your code.

    Every option can also be given as the variable that its line names, or in [tool.currant] of pyproject.toml.
    -m and -q may be repeated, or take names separated by commas.
    SIGTERM or SIGINT stops it gracefully; a second one hurries. SIGQUIT ends it at once.
    """
    given = {name: ",".join(value) or None if isinstance(value, list) else value for name, value in options.items()}
    database_url = options["database_url"]
    assert not isinstance(database_url, list | bool)
    with reported("currantd"):
        manager = setting.take_service_manager()
        settings = setting.load(given)
        if not settings.modules:
            raise ConfigurationError(
                "no module is named: give the one that holds your jobs with -m, in CURRANT_MODULES,"
                " or as modules = [...] in [tool.currant] of pyproject.toml"
            )
        level = LogLevel(settings.log_level)
        writer = make_writer(settings.log_format)
        log = make_log(level, settings.log_format, writer)
        for variable, meant in setting.unknown_variables().items():
            log.warning(Event.UNKNOWN_VARIABLE, variable=variable, did_you_mean=meant)
        if shows_password(database_url):
            log.warning(Event.PASSWORD_SHOWN, option="--database-url")
        # Before anything is started: a port that is taken is the user's mistake.
        metrics = None if settings.metrics is None else listen(settings.metrics)
        with database(settings, embedded=embedded, url_option=database_url, warns=False) as complete:
            instance = acquire(complete.runtime_dir)
            came = signals.hold()
            if embedded:
                # It is Currant's own: its schema is made without being asked for.
                run_async(lambda: migrate.migrate_at(str(complete.database_url)))
                log.info(Event.EMBEDDED, CURRANT_DATABASE_URL=complete.database_url)
            raise_descriptor_limit(complete.procs)
            streams = relayed(writer, lambda fd: make_writer(settings.log_format, fd))
            start_fork_server = fork_server_starter(complete, level, streams)
            fork_server = start_fork_server()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(
                    _serve(complete, instance, log, level, manager, metrics, start_fork_server, fork_server, came)
                )
            instance.close()


async def _serve(
    settings: Settings,
    instance: Instance,
    log: Log,
    level: LogLevel,
    manager: ServiceManager | None,
    metrics: socket | None,
    start_fork_server: StartForkServer,
    fork_server: ForkServer,
    came: Sequence[Signals],
) -> None:
    try:
        service = Service(settings, instance, log, start_fork_server, log_level=level, manager=manager, metrics=metrics)
        await service.run(fork_server, came)
    finally:
        signals.answer_no_more()


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Gives the function an option for each setting that applies to nodes, in the place of its `**options`."""
    signature = inspect.signature(function)
    parameters = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    for name in settings_of_nodes():
        kind: Any = bool | None if is_flag(name) else list[str] | None if is_repeated(name) else str | None
        annotation = Annotated[kind, setting_option(name)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    decorated: Any = function
    decorated.__signature__ = signature.replace(parameters=parameters)
    decorated.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


app.command(epilog=exits.EPILOG_OF_NODES)(_with_options(run))


def main() -> None:
    # Of a supervisor that hangs, systemd's watchdog (SIGABRT) then leaves the stacks behind.
    with contextlib.suppress(RuntimeError, ValueError, OSError):
        faulthandler.enable()
    signals.answer_before_start()
    shell.run(app, "currantd")


if __name__ == "__main__":
    main()

"""Every setting: its name, default, unit, environment variable and check. Only here is os.environ read."""

import contextlib
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from currant.errors import ConfigurationError
from currant.lines import FORMATS
from currant.names import check_queue
from currant.protocol.cells import CELLS_MAX


def _plain(default: Any) -> str:
    return "none" if default in (None, ()) else f"{default:.15g}" if isinstance(default, float) else str(default)


#: The most executions that a claim takes, and outcomes that a statement writes, unless fewer are asked for.
CLAIM_ROWS_MAX, COMPLETE_ROWS_MAX = 2500, 2500
#: The groups in which `currantd --help` shows the settings.
WHAT, SIZE, DATABASE, TIMING, LOGGING = "What to run", "Size", "Database", "Timing and limits", "Logging and files"


def _setting(
    default: Any,
    text: str,
    parse: Callable[[Any], Any],
    rule: str,
    *,
    default_text: str | None = None,
    group: str | None = TIMING,
) -> Any:
    """A field of Settings; `group` None: not for `currantd`, which then has no option for it."""
    metadata = {"help": text, "parse": parse, "rule": rule, "default": default_text or _plain(default), "group": group}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _whole(low: int, high: int = 2**31 - 1) -> tuple[Callable[[Any], int], str]:
    def parse(value: Any) -> int:
        number = int(value)
        if isinstance(value, float | bool) or not low <= number <= high:
            raise ValueError
        return number

    rule = f"must be at least {low}" if high == 2**31 - 1 else f"must be an integer from {low} to {high}"
    return parse, rule


def _number(low: float, *, above: bool = False) -> tuple[Callable[[Any], float], str]:
    def parse(value: Any) -> float:
        number = float(value)
        if isinstance(value, bool) or not (number > low if above else number >= low) or number > 1e9:
            raise ValueError
        return number

    return parse, f"must be a number {'greater than' if above else 'of at least'} {low:g}"


def _bytes(value: Any) -> int:
    match = re.fullmatch(r"\s*(\d+)\s*([KMGT]?)(?:i?B)?\s*", str(value), re.IGNORECASE | re.ASCII)
    if isinstance(value, bool) or match is None:
        raise ValueError
    size = int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")
    if not 1 << 20 <= size < 1 << 60:
        raise ValueError
    return size


def _keep(value: Any) -> float:
    if value == "forever":
        return float("inf")
    return _number(0)[0](value)


_KEEP = (_keep, "must be a number of seconds of at least 0, or the word forever")


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else list(value)
    names = tuple(dict.fromkeys(item.strip() for item in items))
    if not all(names):
        raise ValueError
    return names


def _module_names(value: Any) -> tuple[str, ...]:
    names = _names(value)
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError
    return names


_MODULES = (_module_names, "must be names of modules, as `import` takes them (app, not app.py or ./app)")
_NAMES = (_names, "must be names separated by commas")


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


class Address(NamedTuple):
    """Where to listen. Port 0: one that the system chooses."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listening(value: Any) -> Address:
    match = re.fullmatch(r"(?:(?:\[([^\[\]\s]+)\]|([^:\[\]\s]+)):)?(\d{1,5})", str(value).strip(), re.ASCII)
    if isinstance(value, bool) or match is None or int(match[3]) > 65_535:
        raise ValueError
    return Address(match[1] or match[2] or "127.0.0.1", int(match[3]))


def _level(value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError
    return value.lower()


def _log_format(value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in FORMATS:
        raise ValueError
    return value.lower()


def _yes_or_no(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def _default_runtime_dir() -> Path:
    return next(iter(runtime_dirs().values()))


def runtime_dirs() -> dict[str, Path]:
    """Returns where the runtime directory may be when nobody names it, by why; the first one counts."""
    # systemd's RuntimeDirectory= first, then the user's own, then a private folder under the temporary one.
    found = {}
    if base := os.environ.get("RUNTIME_DIRECTORY"):
        found["RUNTIME_DIRECTORY, of systemd, names it"] = Path(base)
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        found["XDG_RUNTIME_DIR leads there"] = Path(base) / "currant"
    found["the default, for neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set"] = (
        Path(tempfile.gettempdir()) / f"currant-{os.getuid()}"
    )
    return found


def why_runtime_dir(option: str | None) -> str:
    """Returns, for people, why the runtime directory is the one that it is; `option`: what the command line says."""
    if option is not None:
        return "--runtime-dir names it"
    if os.environ.get(environment_name("runtime_dir")):
        return f"{environment_name('runtime_dir')} names it"
    if "runtime_dir" in _project_table(Path.cwd() / "pyproject.toml"):
        return "[tool.currant] in pyproject.toml names it"
    return next(iter(runtime_dirs()))


def _default_embedded_dir() -> Path:
    if os.getuid() == 0:
        # The server runs under an unprivileged uid, which cannot enter root's home.
        return Path("/var/lib/currant/postgres")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "currant" / "postgres"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked. Each comes from the command line, else its environment variable, else `[tool.currant]`."""

    database_url: str | None = _setting(
        None,
        "The address of the database, as libpq reads it.",
        _address,
        "must be an address of a database",
        group=DATABASE,
    )
    children_see_database: bool = _setting(
        False,
        "Whether the children find CURRANT_DATABASE_URL and PGPASSWORD in their environment.",
        _yes_or_no,
        "must be yes or no",
        default_text="no",
        group=DATABASE,
    )
    modules: tuple[str, ...] = _setting(
        (), "The modules that register jobs, imported by the fork server.", *_MODULES, group=WHAT
    )
    queues: tuple[str, ...] = _setting(
        (), "The queues to work on; without it, those that the modules use.", *_NAMES, group=WHAT
    )
    procs: int = _setting(
        lambda: os.cpu_count() or 1,
        "The number of child processes.",
        *_whole(1, 1000),
        default_text="one per core",
        group=SIZE,
    )
    concurrency: int = _setting(
        64, "How many executions a child runs at a time.", *_whole(1, CELLS_MAX // 2), group=SIZE
    )
    grace_s: float = _setting(
        30.0, "How long a drain waits for running executions before it cancels them, in seconds.", *_number(0)
    )
    runtime_dir: Path = _setting(
        _default_runtime_dir,
        "The private folder of the lock file and the control socket.",
        Path,
        "must be a path",
        default_text="`$RUNTIME_DIRECTORY`, or `$XDG_RUNTIME_DIR/currant`, or `currant-<uid>` among temporary files",
        group=LOGGING,
    )
    embedded_dir: Path = _setting(
        _default_embedded_dir,
        "Where `--embedded` keeps its Postgres.",
        Path,
        "must be a path",
        default_text="`/var/lib/currant/postgres` for root, else `currant/postgres` in `$XDG_DATA_HOME`",
        group=DATABASE,
    )
    pool_size: int = _setting(
        10,
        "The most connections that an application's enqueues make, in each event loop.",
        *_whole(1, 1000),
        group=None,
    )
    claim_batch: int = _setting(CLAIM_ROWS_MAX, "The most executions that one claim takes.", *_whole(1, CLAIM_ROWS_MAX))
    complete_batch: int = _setting(
        COMPLETE_ROWS_MAX, "The most outcomes that one statement writes.", *_whole(1, COMPLETE_ROWS_MAX)
    )
    prefetch: bool = _setting(
        True,
        "Whether children get some executions beyond their slots, so that they need not wait for the next claim.",
        _yes_or_no,
        "must be yes or no",
        default_text="yes",
    )
    poll_s: float | None = _setting(
        None,
        "Look for work so often, in seconds, and do not LISTEN: for where notifications do not come through."
        " A cancel of what runs then takes about 5 seconds.",
        *_number(0.01),
    )
    payload_bytes_max: int = _setting(
        1 << 20,
        "The most bytes of JSON that one execution's arguments, or its result, may have.",
        *_whole(1024, 1 << 26),
    )
    retry_base_s: float = _setting(
        1.0, "The wait before the first retry, in seconds; it doubles each time.", *_number(0)
    )
    retry_max_s: float = _setting(3600.0, "The longest wait before a retry, in seconds.", *_number(0))
    crashes_max: int = _setting(3, "How many crashes of its child an execution is allowed to meet.", *_whole(1, 1000))
    keep_completed_s: float = _setting(
        7 * 86_400.0,
        "How long completed executions are kept, in seconds, or `forever`; 0 deletes each when it succeeds.",
        *_KEEP,
    )
    keep_failed_s: float = _setting(
        30 * 86_400.0,
        "How long failed and cancelled executions, and dead letters, are kept, in seconds, or `forever`.",
        *_KEEP,
    )
    heartbeat_timeout_s: float = _setting(
        30.0, "A node whose heartbeat is older is dead, in seconds; the same for all nodes.", *_number(6)
    )
    boot_timeout_s: float = _setting(
        60.0,
        "How long importing the modules, or starting a child with its start hooks, may take, in seconds.",
        *_number(0, above=True),
    )
    max_executions_per_child: int | None = _setting(
        None,
        "A child that has run about so many executions is replaced by a new one.",
        *_whole(1),
    )
    max_memory_per_child: int | None = _setting(
        None,
        "A child whose resident memory reaches about so many bytes is replaced by a new one; as 512M or 2G.",
        _bytes,
        "must be a number of bytes of at least 1M, as 512M or 2G",
    )
    stall_timeout_s: float = _setting(
        300.0,
        "How long the event loop of a child may not answer, for blocking code, before the child is killed, in seconds.",
        *_number(0, above=True),
    )
    metrics: Address | None = _setting(
        None,
        "Where Prometheus finds the metrics, with `/healthz` and `/readyz` beside them: host:port, as 127.0.0.1:9464 or"
        " `[::1]:9464`, or a port alone, on 127.0.0.1. Whoever can connect can read them.",
        _listening,
        "must be host:port, as 127.0.0.1:9464 or [::1]:9464, or a port alone",
        group=LOGGING,
    )
    log_level: str = _setting(
        "info", "debug, info, warning or error.", _level, "must be debug, info, warning or error", group=LOGGING
    )
    log_format: str = _setting(
        "auto",
        "auto, console, json or logfmt; auto is console on a terminal and json elsewhere.",
        _log_format,
        "must be auto, console, json or logfmt",
        group=LOGGING,
    )


def environment_name(setting: str) -> str:
    """Returns the environment variable of a setting: `CURRANT_` and its name, units last."""
    return f"CURRANT_{setting.upper()}"


def load(
    given: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    given_name: Callable[[str], str] | None = None,
) -> Settings:
    """Returns the settings from the command line (`given`, where None means not given), environment and pyproject.toml.

    Args:
        given_name: what errors call what is given; by default the command line's options.

    Raises:
        ConfigurationError: a value breaks its rule; it names the option, variable or key, the rule and the value.
    """
    environ = os.environ if environ is None else environ
    project = _project_table((folder or Path.cwd()) / "pyproject.toml")
    values: dict[str, Any] = {}
    for each in fields(Settings):
        option = (given or {}).get(each.name)
        variable = environment_name(each.name)
        if option is not None:
            values[each.name] = _parse(each, option, (given_name or _option)(each.name))
        elif environ.get(variable):
            values[each.name] = _parse(each, environ[variable], variable)
        elif each.name in project:
            values[each.name] = _parse(each, project.pop(each.name), f"[tool.currant] {each.name}")
        project.pop(each.name, None)
    if project:
        raise ConfigurationError(f"[tool.currant] in pyproject.toml has an unknown key: {', '.join(sorted(project))}")
    for queue in values.get("queues", ()):
        check_queue(queue)
    return Settings(**values)


def _option(setting: str) -> str:
    return "--" + setting.removesuffix("_s").replace("_", "-")


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Returns the variables that look like settings and are none, each with the setting that may have been meant."""
    known = [environment_name(each.name) for each in fields(Settings)]
    odd = [name for name in (os.environ if environ is None else environ) if name.startswith("CURRANT_")]
    return {name: next(iter(get_close_matches(name, known, 1, 0.8)), None) for name in sorted(set(odd) - set(known))}


def with_database(settings: Settings, url: str) -> Settings:
    """Returns the settings with another database's address."""
    return replace(settings, database_url=url)


def working_directory() -> str:
    """Returns the current directory by the name it was entered by: a symlink that leads elsewhere later is followed."""
    directory = os.getcwd()
    named = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(named) and os.path.samefile(named, directory):
            return named
    return directory


class ServiceManager(NamedTuple):
    """Who started this process and wants to hear of it: systemd, or what speaks as it does."""

    #: Of its socket: a path, or a name of the abstract namespace with an @ before it.
    address: str
    #: After so long without a word it takes the process for hung, in seconds.
    watchdog_s: float | None


def take_service_manager(environ: MutableMapping[str, str] | None = None) -> ServiceManager | None:
    """Returns the service manager, if there is one, and takes it out of the environment: it is not the children's.

    Raises:
        ConfigurationError: what it says of itself cannot be meant.
    """
    environ = os.environ if environ is None else environ
    address, watchdog_us, pid = (environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
    if not address:
        return None
    if address[0] not in "/@" or len(address) < 2 or len(os.fsencode(address)) > 107:
        raise ConfigurationError(f"NOTIFY_SOCKET must be a path from the root, or @ and a name, got {address}")
    if not watchdog_us or pid not in ("", str(os.getpid())):
        return ServiceManager(address, None)
    if not (watchdog_us.isascii() and watchdog_us.isdigit() and int(watchdog_us) > 0):
        raise ConfigurationError(f"WATCHDOG_USEC must be a number of microseconds greater than 0, got {watchdog_us}")
    return ServiceManager(address, int(watchdog_us) / 1e6)


def child_environment(environ: Mapping[str, str] | None = None, *, see_database: bool = False) -> dict[str, str]:
    """Returns the environment of the fork server: the supervisor's without what opens its database.

    Args:
        see_database: leave that in, because the user's code needs it: see the setting children_see_database.
    """
    source = os.environ if environ is None else environ
    hidden = () if see_database else (environment_name("database_url"), "PGPASSWORD")
    kept = {name: value for name, value in source.items() if name not in hidden}
    # What a job prints is seen when it prints it, and not lost with its process.
    return {"PYTHONUNBUFFERED": "1", **kept}


def describe() -> str:
    """Returns the settings as a table in Markdown: `docs/settings.md` is this."""
    lines = [
        "# Settings",
        "",
        "Each comes from the command line, where it has an option, else from its environment variable, else from its",
        "key in `[tool.currant]` of the `pyproject.toml` in the current directory.",
        "",
        "Made by `python -m currant.settings`.",
        "",
        "| variable | key | default | meaning |",
        "|---|---|---|---|",
    ]
    for each in fields(Settings):
        columns = (
            f"`{environment_name(each.name)}`",
            f"`{each.name}`",
            each.metadata["default"],
            each.metadata["help"],
        )
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def _parse(each: Any, value: Any, source: str) -> Any:
    try:
        return each.metadata["parse"](value)
    except (ValueError, TypeError, OverflowError, AttributeError):
        raise ConfigurationError(f"{source} {each.metadata['rule']}, got {value!r}".replace("'", "")) from None


def _project_table(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            tools = tomllib.load(stream).get("tool", {})
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    table = tools.get("currant", {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise ConfigurationError(f"[tool.currant] in {file} must be a table, got {table!r}")
    return dict(table)


if __name__ == "__main__":
    print(describe(), end="")  # noqa: T201

"""Finding a function by its name, as `currantd` would: in the modules that register it."""

import contextlib
import json
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any

from currant.child.imports import import_modules
from currant.errors import ConfigurationError, ModuleImportFailed
from currant.jobs import Job, job_named
from currant.protocol.control import ImportFailed
from currant.registry import registry

#: How much of a JSON text with a mistake is shown on each side of it.
_AROUND = 20


def find_job(name: str, modules: tuple[str, ...], *, first: bool) -> Job[..., Any]:
    """Returns the job of this name, after importing what may register it.

    Args:
        name: `module.qualname`, or what `name=` says.
        modules: those that the settings name: where a name that is no path of a module is looked for.
        first: import them before the module that the name itself tells.

    Raises:
        ConfigurationError: no module registers it.
        ModuleImportFailed: a module raises when it is imported; the text holds its traceback.
    """
    # What a module prints is not what the command answers.
    with contextlib.redirect_stdout(sys.stderr):
        steps: list[Callable[[], None]] = [partial(_import_all, modules), partial(_import_path, name)]
        for step in steps if first else reversed(steps):
            step()
            job = job_named(name)
            if job is not None:
                return job
    # Our own are no choice of anyone's.
    known = [definition.name for definition in registry if not definition.name.startswith("currant.")]
    close = get_close_matches(name, known, 2, 0.8)
    raise ConfigurationError(
        f"no function is registered as {name}: "
        + (f"did you mean {' or '.join(close)}? Or " if close else "")
        + "give its whole name, as in app.jobs.send, from the folder that holds the module; for one with a name= of its"
        " own, say which module registers it with -m"
    )


def parse_json(text: str, kind: type, option: str) -> bytes:
    """Returns the text of an option as JSON; raises ConfigurationError, which says where it is not.

    Args:
        kind: list or dict.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        before = text[max(0, error.pos - _AROUND) : error.pos]
        after = text[error.pos : error.pos + _AROUND]
        place = f"character {error.pos + 1}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        where = f"before {after!r}" if after else f"after {before!r}, where it ends"
        raise ConfigurationError(f"{option} is no JSON: {error.msg} at {place}, {where}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigurationError(f"{option} cannot be read as JSON: {error}") from None
    if not isinstance(value, kind):
        wanted = 'an array, as in [1, "two"]' if kind is list else 'an object, as in {"key": 1}'
        raise ConfigurationError(f"{option} must be {wanted}, got {text}")
    return text.encode("utf-8", "surrogatepass")


def _import_all(modules: tuple[str, ...]) -> None:
    failed = import_modules(list(modules))
    if failed is not None:
        raise _failure(failed)


def _import_path(name: str) -> None:
    """Imports the longest beginning of a dotted name that is a module: app.jobs of app.jobs.Mailer.send."""
    path = name.rpartition(".")[0]
    while path and all(part.isidentifier() for part in path.split(".")):
        failed = import_modules([path])
        if failed is None:
            return
        if not _is_absent(failed):
            raise _failure(failed)
        path = path.rpartition(".")[0]


def _is_absent(failed: ImportFailed) -> bool:
    return not failed.traceback


def _failure(failed: ImportFailed) -> ModuleImportFailed:
    return ModuleImportFailed(f"cannot import {failed.module}: {failed.message}\n\n{failed.traceback}".rstrip())

"""Importing the user's modules, and saying what is wrong with one that cannot be imported."""

import importlib
import os
import sys

from currant.child import failures
from currant.codec import codec_of
from currant.errors import RegistrationError
from currant.protocol.control import ImportFailed
from currant.registry import registry

_TEXT_CHARS_MAX = 64 << 10


def import_modules(modules: list[str]) -> ImportFailed | None:
    """Imports the modules in order, and makes the codecs of their jobs, which all children then share.

    Returns what went wrong with the first module that could not be imported, or holds a job that cannot be run.
    """
    directory = os.getcwd()
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    for module in modules:
        try:
            importlib.import_module(module)
        # A module may also call sys.exit() or raise what it likes: that is no end for us before it was told.
        except BaseException as error:
            return _failure(module, error)
    return _prepare_codecs()


def _prepare_codecs() -> ImportFailed | None:
    for each in registry:
        try:
            codec_of(each.function, each.name).prepare()
        except RegistrationError as error:
            return ImportFailed(each.function.__module__, failures.sendable(str(error)), "")
    return None


def _failure(module: str, error: BaseException) -> ImportFailed:
    if isinstance(error, ModuleNotFoundError) and failures.is_own_code_only(error) and _is_within(module, error.name):
        return ImportFailed(
            module, f"no module named {error.name!r} (looked in the current directory and on sys.path)", ""
        )
    text = f"{failures.type_name(error)}: {failures.message(error)}"
    trace = failures.traceback_text(error, _TEXT_CHARS_MAX)
    return ImportFailed(module, failures.sendable(text), failures.sendable(trace))


def _is_within(module: str, missing: str | None) -> bool:
    return missing is not None and (module == missing or module.startswith(missing + "."))

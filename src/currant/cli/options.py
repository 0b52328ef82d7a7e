"""The options of the settings, made from the settings: help, default, variable and group come from there."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from currant.lines import FORMATS
from currant.settings import Settings, environment_name

_SHORT = {"modules": "-m", "queues": "-q"}
_METAVARS = {
    "modules": "MODULE",
    "queues": "QUEUE",
    "log_level": "LEVEL",
    "log_format": "FORMAT",
    "metrics": "HOST:PORT",
    "database_url": "URL",
    "children_see_database": "YES/NO",
}
_COMPLETIONS = {
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": FORMATS,
    "children_see_database": ("yes", "no"),
}


def setting_option(name: str, *flags: str, metavar: str | None = None) -> Any:
    """Returns the option of a setting; `flags` are its names, by default the setting's own.

    Its value stays a text: the setting checks it, whichever way it comes.
    """
    each = _field(name)
    default = each.metadata["default"].replace("`", "")
    note = environment_name(name) if default == "none" else f"{environment_name(name)}; {default}"
    words = _COMPLETIONS.get(name)
    return typer.Option(
        *(flags or _flags(name)),
        metavar=None if is_flag(name) else metavar or _metavar(each),
        help=f"{each.metadata['help'].replace('`', '')} [{note}]",
        show_default=False,
        rich_help_panel=each.metadata["group"],
        autocompletion=None if words is None else lambda incomplete: beginning(words, incomplete),
    )


def is_repeated(name: str) -> bool:
    """Whether the option may be given several times: the setting is a list."""
    return isinstance(_field(name).default, tuple)


def is_flag(name: str) -> bool:
    """Whether the option takes no value, but has another of its name with `no` for the opposite."""
    return _field(name).default is True


def settings_of_nodes() -> list[str]:
    """Returns the settings that apply to `currantd`, in their order."""
    return [each.name for each in dataclasses.fields(Settings) if each.metadata["group"] is not None]


def _field(name: str) -> Any:
    return next(each for each in dataclasses.fields(Settings) if each.name == name)


def _flags(name: str) -> Sequence[str]:
    long = f"--{name.removesuffix('_s').replace('_', '-')}"
    if is_flag(name):
        return (f"{long}/--no-{long.removeprefix('--')}",)
    return (long, _SHORT[name]) if name in _SHORT else (long,)


def _metavar(each: Any) -> str:
    if each.name in _METAVARS:
        return _METAVARS[each.name]
    if each.type in (Path, "Path"):
        return "PATH"
    if each.type in (str, "str"):
        return "TEXT"
    return "SECONDS" if each.name.endswith("_s") else "BYTES" if "bytes" in each.name or "memory" in each.name else "N"


def beginning(words: Sequence[str], incomplete: str) -> list[str]:
    """Returns those words that may be meant by what has been typed."""
    return [word for word in words if word.startswith(incomplete)]

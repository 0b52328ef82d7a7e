"""`python -m currant.cli.reference > docs/cli.md`: all commands, options and exit codes, as the code has them."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from currant.cli import currantctl, currantd, exits, main
from currant.cli.shell import argument_name, panel_of

_HEAD = """# Command line

`currantd` runs jobs, `currantctl` asks the `currantd` of this machine, `currant` works with the database: it needs no
running node. `python -m currant` is `currant`.

- An option with a variable behind it is a setting: it may also come from that variable, or from `[tool.currant]` of the
  `pyproject.toml` in the current directory; see [settings](settings.md). The command line counts first, then the
  variable.
- Tables and dates are for people; `--json` prints one JSON document instead, lists as arrays, dates in ISO 8601, and
  nothing else on standard output. What goes wrong is said on standard error, in one line.
- Colours are for terminals, and for none where `NO_COLOR` is set. Into a pipe, lines are as long as they get.
- `--install-completion` sets completion up for the shell that you use. Completing asks no database.
- A duration is a number of seconds, or has a unit: `90s`, `5min`, `2h`, `30d`, `1w`.

Made by `python -m currant.cli.reference`.
"""


def describe() -> str:
    """Returns the page in Markdown: `docs/cli.md` is this."""
    lines = [_HEAD, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    for app, name in ((currantd.app, "currantd"), (currantctl.app, "currantctl"), (main.app, "currant")):
        lines += _section(typer.main.get_command(app), name)
    return "\n".join(lines) + "\n"


def _section(command: Any, path: str) -> Iterator[str]:
    commands = getattr(command, "commands", {})
    yield from ("", f"## {path}" if " " not in path else f"### {path}", "")
    yield _as_markdown(command.help)
    shown = [each for each in command.params if each.name not in ("install_completion", "show_completion")]
    arguments = [argument_name(each) for each in shown if each.param_type_name == "argument"]
    yield from ("", f"    {' '.join([path, '[OPTIONS]', *arguments, *(['COMMAND ...'] if commands else [])])}")
    if shown:
        yield from ("", "| option | meaning |", "|---|---|")
        yield from (f"| `{_names(each)}` | {_cell(each.help)} |" for each in sorted(shown, key=_place))
    if not commands:
        codes = ", ".join(re.findall(r"[:;] ([0-9]+) ", command.epilog))
        yield from ("", command.epilog if path == "currantd" else f"Exit codes: {codes}.")
    for name, each in commands.items():
        yield from _section(each, f"{path} {name}")


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return argument_name(parameter)
    flags = ", ".join(sorted([*parameter.opts, *parameter.secondary_opts], key=len))
    return f"{flags} {parameter.metavar}" if parameter.metavar else flags


def _place(parameter: Any) -> tuple[bool, bool]:
    return parameter.param_type_name != "argument", panel_of(parameter) == "Other"


def _cell(text: str | None) -> str:
    return re.sub(r" \[(CURRANT_\w+)", r" [`\1`", (text or "").replace("|", "\\|").replace("<", "&lt;"))


def _as_markdown(text: str | None) -> str:
    return inspect.cleandoc(text or "")


if __name__ == "__main__":
    print(describe(), end="")

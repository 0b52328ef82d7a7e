"""How the commands are put together and run: grouped help without boxes, mistakes in one line, quiet ends."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from currant.cli import exits
from currant.errors import CurrantError

#: Options of every command, which come last in its help.
_LAST, _LAST_NAMES = "Other", ("version", "install_completion", "show_completion", "help")
#: The order of the groups of options; others follow as they come.
_ORDER = ("Arguments", "What to run", "Size", "Options", "Database", "Timing and limits", "Logging and files")
_COLUMNS_MAX = 100
#: A command is listed with the first sentence of its help, whole.
_SENTENCE_MAX = 200


class Command(TyperCommand):
    """A command whose help shows its options in groups, and its exit codes."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **{**values, "epilog": values.get("epilog") or exits.epilog()})

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [argument_name(each) for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """A command of commands, listed in groups."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **{**values, "epilog": values.get("epilog") or exits.epilog()})

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(panel, []).append((name, command.get_short_help_str(_SENTENCE_MAX)))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)
        _write_options(self, ctx, formatter)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


class App(typer.Typer):
    """Typer with our help, and completion for the shells."""

    def __init__(self, **values: Any) -> None:
        # typer's own boxes are hard to read in a log or by a screen reader, and their width is no help at 80 columns.
        super().__init__(
            cls=Group,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings={"max_content_width": _COLUMNS_MAX, "help_option_names": ["--help", "-h"]},
            **values,
        )

    def command(self, name: str | None = None, **values: Any) -> Callable[[Any], Any]:
        return super().command(name, **{"cls": Command, **values})


def run(app: typer.Typer, name: str) -> NoReturn:
    """Runs the command that the process was started for, and ends the process with its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What an old terminal cannot show is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(prog_name=name, standalone_mode=False)
    except typer.Abort:
        code = exits.INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        code = _told(error, name)
    try:
        with _written():
            if sys.stdout is not None:
                sys.stdout.flush()
    except CurrantError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        code = exits.FAILED
    except typer.Exit as end:
        code = end.exit_code
    sys.exit(code)


def write(text: str) -> None:
    """Prints to standard output at once.

    Ends the command when nobody reads it any more, as other programs do.

    Raises:
        CurrantError: it cannot be written to: the disk is full.
    """
    with _written():
        print(text, end="" if text.endswith("\n") else "\n", flush=True)


@contextlib.contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # What is left in the buffer would be tried again at the exit of Python, and fail with a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(exits.NOBODY_READS) from None
        raise CurrantError(f"the output cannot be written: {error.strerror}") from None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether people are at the stream; None: it was closed before the start."""
    return stream is not None and stream.isatty()


def _told(error: Any, name: str) -> int:
    """Says what was wrong with the call, as typer found it, in one line."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return exits.USAGE
    more = f" ({context.command_path} --help says more)" if context is not None else ""
    text = " ".join(error.format_message().split())
    print(f"{name}: error: {text.rstrip('.')}{more}", file=sys.stderr)
    return int(error.exit_code)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            name = argument_name(parameter) if parameter.param_type_name == "argument" else record[0]
            sections.setdefault(panel_of(parameter), []).append((name, record[1].replace("  [required]", "")))
    for title in sorted(sections, key=_place):
        with formatter.section(title):
            formatter.write_dl(sections[title])


def argument_name(parameter: Any) -> str:
    """Returns how a positional argument is written in a usage: ID, ID..., [ID...]."""
    name = f"{parameter.name.upper().removesuffix('S')}..." if parameter.nargs == -1 else parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def panel_of(parameter: Any) -> str:
    """Returns the group that an option is shown in."""
    if parameter.name in _LAST_NAMES:
        return _LAST
    return getattr(parameter, "rich_help_panel", None) or (
        "Arguments" if parameter.param_type_name == "argument" else "Options"
    )


def _place(title: str) -> int:
    if title == _LAST:
        return len(_ORDER)
    return _ORDER.index(title if title in _ORDER else "Options")

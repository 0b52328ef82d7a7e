"""Running the user's hooks in a child. Whatever they raise ends here."""

import contextlib
import inspect
import sys
from collections.abc import Iterable

from currant.child import failures
from currant.protocol.work import BootFailed
from currant.registry import Hook, place

_TEXT_CHARS_MAX = 64 << 10
_NAME_CHARS_MAX = 500


async def run_start_hooks(hooks: Iterable[Hook]) -> BootFailed | None:
    """Runs the hooks in order; returns what went wrong with the first that failed, after which no other is run."""
    for hook in hooks:
        try:
            await _run(hook)
        # A hook may also call sys.exit() or raise what it likes: that is no end for us before it was told.
        except BaseException as error:
            text = f"the start hook {_name(hook)} failed: {failures.type_name(error)}: {failures.message(error)}"
            trace = failures.traceback_text(error, _TEXT_CHARS_MAX)
            return BootFailed(failures.sendable(text), failures.sendable(trace))
    return None


async def run_stop_hooks(hooks: Iterable[Hook]) -> None:
    """Runs all the hooks, in order, and prints the traceback of each that fails."""
    for hook in hooks:
        try:
            await _run(hook)
        except BaseException as error:
            text = f"currant: the stop hook {_name(hook)} failed:\n{failures.traceback_text(error, _TEXT_CHARS_MAX)}"
            # User code may have put anything there.
            with contextlib.suppress(Exception):
                print(text.rstrip(), file=sys.stderr, flush=True)  # noqa: T201


async def _run(hook: Hook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result


def _name(hook: Hook) -> str:
    try:
        return place(hook)[:_NAME_CHARS_MAX]
    except BaseException as trouble:
        return f"<unprintable: its name raised {failures.type_name(trouble)}>"

"""Running the user's hooks in a child. Whatever they raise ends here."""

import contextlib
import inspect
import logging
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
    """Runs all the hooks, in order, and logs the traceback of each that fails."""
    for hook in hooks:
        try:
            await _run(hook)
        except BaseException as error:
            trace = failures.traceback_text(error, _TEXT_CHARS_MAX).rstrip()
            # User code may have put anything there.
            with contextlib.suppress(Exception):
                logging.getLogger("currant").error("the stop hook %s failed:\n%s", _name(hook), trace)


async def _run(hook: Hook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result


def _name(hook: Hook) -> str:
    try:
        return place(hook)[:_NAME_CHARS_MAX]
    except BaseException as trouble:
        return f"<unprintable: its name raised {failures.type_name(trouble)}>"

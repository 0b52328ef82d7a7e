"""Python stacks as text: of tasks, where they wait, and of threads, where they are."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

#: Of a stack the innermost so many calls.
FRAMES_MAX = 60


def of_task(task: "asyncio.Task[Any]") -> str:
    """Returns the calls of a task that does not run at the moment, outermost first, as a traceback shows them."""
    summary = traceback.StackSummary.extract(_awaited(task.get_coro()))
    return "".join(traceback.StackSummary.from_list(summary[-FRAMES_MAX:]).format()).rstrip() or "nowhere: it has ended"


def of_frame(frame: FrameType) -> str:
    """Returns the calls of a thread, outermost first."""
    return "".join(traceback.format_stack(frame)[-FRAMES_MAX:]).rstrip()


def of_threads() -> Iterator[tuple[str, FrameType]]:
    """Gives the threads that run Python at the moment but for the calling one, by name, with their innermost frames."""
    own = threading.get_ident()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != own:
            yield names.get(ident) or str(ident), frame


def caller(frame: FrameType | None, code: CodeType) -> FrameType | None:
    """Returns the frame, of those that lead to this one, which runs the code; None: none does."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame


def _awaited(awaitable: Any) -> Iterator[tuple[FrameType, int]]:
    """Gives the frames from a coroutine down to what it waits for: a task tells of its first one alone."""
    seen = 0
    while awaitable is not None and seen < 1000:
        seen += 1
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        frame = frame or getattr(awaitable, "ag_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
        match awaitable:
            case CoroutineType():
                awaitable = awaitable.cr_await
            case GeneratorType():
                awaitable = awaitable.gi_yieldfrom
            case AsyncGeneratorType():
                awaitable = awaitable.ag_await
            case _:
                # A future, or an awaitable of another language's: nothing of Python's stands below.
                return

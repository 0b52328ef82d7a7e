"""Jobs that nothing can end but the end of their process, in their first run. The second notes what it finds."""

import asyncio
import threading
import time

from jobs import _runs_of, note  # type: ignore[import-not-found]

from currant import current_execution, job, proc


@job(queue="test")
async def clings(how: str) -> str:
    """Goes on after its timeout in the way that `how` says."""
    if _begin():
        return "at last"
    while True:
        try:
            if how == "never yields":
                time.sleep(0.05)
            else:
                await asyncio.sleep(0.05)
        except BaseException:
            pass


@job(queue="test")
def clings_in_a_thread() -> str:
    if not _begin():
        threading.Event().wait()
    return "at last"


def _begin() -> bool:
    """Returns whether this is a later run; notes it when the one before has not ended."""
    before = [int(line.split()[4]) for line in _runs_of(current_execution().id)]
    note("start")
    if any(_is_alive(pid) for pid in before):
        note("beside")
    return bool(before)


def _is_alive(pid: int) -> bool:
    process = proc.stat(pid)
    return process is not None and process.state not in "ZX"

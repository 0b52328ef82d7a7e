"""Jobs that end their process. Each run is written to the ledger, as in tests/process/jobs.py."""

import ctypes
import os
import signal

from jobs import note  # type: ignore[import-not-found]

from currant import current_execution, job


@job(queue="test", retries=0)
async def ends_its_child(how: str, times: int) -> None:
    """Ends the process it runs in, in so many of its runs."""
    note("start")
    if current_execution().attempt > times:
        return
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(7)
    else:
        # As the kernel does when memory is short.
        os.kill(os.getpid(), signal.SIGKILL)

"""What children write to standard output and error, where these are pipes or sockets: it goes by the supervisor.

Somebody reads it there, who may be slow, full or gone: a child that wrote to it itself would wait, in the middle of its
event loop, or fail. So children write to pipes of the supervisor's, which are always read.
"""

import atexit
import contextlib
import fcntl
import os
import select
import stat
import threading
from collections.abc import Callable

from currant.cli.writer import LAST_LINES_S, Writer
from currant.supervisor.forkserver import Streams

STDOUT, STDERR = 1, 2
#: As large as anybody may make one: a burst, or a large line, waits for nobody and stays in one piece.
PIPE_BYTES = 1 << 20
READ_BYTES = 1 << 16
#: A line that goes on for longer, in bytes or in milliseconds, is passed on in parts.
LINE_BYTES_MAX, LINE_MS_MAX = 1 << 20, 500


def relayed(stderr: Writer, make_writer: Callable[[int], Writer]) -> Streams:
    """Returns what children are to have in place of the supervisor's own streams; None where they may have these.

    Args:
        stderr: writes to standard error.
        make_writer: makes what writes to another descriptor.
    """
    if not _has_reader(STDERR):
        return Streams(Relay(make_writer(STDOUT)).writing if _has_reader(STDOUT) else None, None)
    errors = Relay(stderr)
    if not _has_reader(STDOUT):
        return Streams(None, errors.writing)
    if os.path.sameopenfile(STDOUT, STDERR):
        # What is written to both stays in its order.
        return Streams(errors.writing, errors.writing)
    return Streams(Relay(make_writer(STDOUT)).writing, errors.writing)


def _has_reader(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class Relay:
    """A pipe, and the thread that passes on what is written to it: in whole lines, where these are of usual length."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        #: `writing` is for those who write; it is closed on exec, unless it is passed on.
        self._reading, self.writing = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()
        # The writer's own comes after it.
        atexit.register(self.close)

    def close(self) -> None:
        """Passes on what is there, unless somebody goes on writing; the writer has it then."""
        atexit.unregister(self.close)
        os.close(self.writing)
        self._thread.join(LAST_LINES_S)

    def _run(self) -> None:
        came = select.poll()
        came.register(self._reading, select.POLLIN)
        rest = b""
        while True:
            is_whole = not came.poll(LINE_MS_MAX if rest else None)
            if not is_whole:
                data = os.read(self._reading, READ_BYTES)
                rest += data
                is_whole = not data or len(rest) > LINE_BYTES_MAX
                if not data and not rest:
                    return
            end = len(rest) if is_whole else rest.rfind(b"\n") + 1
            if end:
                self._writer.write(rest[:end], max(1, rest.count(b"\n", 0, end)))
                rest = rest[end:]

"""What a process of ours asks of Linux: to die with its parent, to leave signals to the supervisor, to go first when
memory runs out."""

import array
import contextlib
import ctypes
import os
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1
_OOM_SCORE_ADJ = 300
_FDS_MAX = 64
_RECEIVE_BYTES = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> bool:
    """Has the kernel kill this process when its parent's thread ends; returns False when that has happened already.

    Must be called after the fork, which clears it, and from the main thread.

    Raises:
        OSError: the kernel refused.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    return os.getppid() == parent


def leave_signals_to_supervisor() -> None:
    """Lets SIGINT and SIGTERM pass: the supervisor decides when this process ends, also when its group is signalled."""
    # A handler that does nothing, not SIG_IGN: exec keeps the latter, and the user's subprocesses would not end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass)


def offer_to_oom_killer() -> None:
    """Makes the kernel prefer this process to the supervisor when memory runs out; no harm if it refuses."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
        if int(file.read()) < _OOM_SCORE_ADJ:
            file.seek(0)
            file.write(str(_OOM_SCORE_ADJ))


def flush_stdio() -> None:
    """Writes out what is buffered, which a fork would double and `os._exit` drop; a closed pipe does not matter."""
    for stream in (sys.stdout, sys.stderr):
        # User code may have put anything there.
        with contextlib.suppress(Exception):
            stream.flush()


def send_with_fds(sock: socket.socket, data: bytes | bytearray, fds: list[int]) -> None:
    """Sends all the bytes, the descriptors with the first of them. Blocks; raises OSError when the peer is gone."""
    if fds:
        sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        data = data[sent:]
    sock.sendall(data)


def receive_with_fds(sock: socket.socket) -> tuple[bytes, list[int], bool]:
    """Returns the next bytes, the descriptors that came with them, and whether some of these were lost. Blocks.

    No bytes mean the end of the stream. The kernel drops descriptors when this process may not have more of them.
    """
    # Not socket.recv_fds, which ignores its flags: without close-on-exec a subprocess of the user's holds our sockets.
    room = socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(_RECEIVE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds), bool(flags & socket.MSG_CTRUNC)


def _pass(_number: int, _frame: object) -> None:
    pass

"""Bytes with file descriptors over a Unix socket: what only the kernel can carry."""

import array
import socket

_FDS_MAX = 64
_RECEIVE_BYTES = 1 << 16


def send_with_fds(sock: socket.socket, data: bytes | bytearray, fds: list[int]) -> None:
    """Sends all the bytes, the descriptors with the first of them. Raises OSError when the peer is gone."""
    if fds:
        sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        data = data[sent:]
    sock.sendall(data)


def receive_with_fds(sock: socket.socket) -> tuple[bytes, list[int], bool]:
    """Returns the next bytes, the descriptors that came with them, and whether some of these were lost.

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

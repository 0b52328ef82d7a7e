"""Row 39: another uid, garbage, slow ones on the control socket: refused, cut off, bounded; the pipeline goes on."""

import contextlib
import os
import random
import shutil
import socket
import stat
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from currant.errors import CurrantError
from currant.protocol.calls import CALL_BYTES_MAX, encode_call
from currant.protocol.status import StatusReply, StatusRequest
from tests.faults.trial import Trial
from tests.nodes import Node, eventually

pytestmark = pytest.mark.fault(39)

REQUEST = bytes(encode_call(StatusRequest(), "1.0"))


def _garbage(draw: random.Random) -> bytes:
    """Returns bytes of any kind: noise, a length beyond the limit, a frame of noise, half a request."""
    noise = draw.randbytes(draw.randrange(1, 6000))
    return draw.choice(
        [
            noise,
            struct.pack(">I", CALL_BYTES_MAX + 1) + noise,
            struct.pack(">I", len(noise)) + noise,
            REQUEST[: draw.randrange(len(REQUEST))],
            REQUEST + noise,
        ]
    )


def _sends_garbage(draw: random.Random, client: socket.socket) -> None:
    client.sendall(_garbage(draw))
    if draw.random() < 0.5:
        client.shutdown(socket.SHUT_WR)
    while client.recv(1 << 16):
        pass


def _never_reads(draw: random.Random, client: socket.socket) -> None:
    client.sendall(REQUEST)


def _writes_slowly(draw: random.Random, client: socket.socket) -> None:
    for byte in REQUEST[:-1]:
        client.sendall(bytes([byte]))
    # And never the last.


def _goes_at_once(draw: random.Random, client: socket.socket) -> None:
    if draw.random() < 0.5:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def attacks(path: Path, seed: int) -> Iterator[Callable[[], int]]:
    """Attacks the socket from eight threads meanwhile, and keeps some connections open; gives the attacks so far."""
    over = threading.Event()
    count = [0] * 8

    def attack(number: int) -> None:
        draw = random.Random(seed + number)
        held: list[socket.socket] = []
        while not over.is_set():
            kind = draw.choice([_sends_garbage, _never_reads, _writes_slowly, _goes_at_once])
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(5)
            # It is cut off, or there is no room for so many.
            with contextlib.suppress(OSError):
                client.connect(str(path))
                kind(draw, client)
            if kind in (_never_reads, _writes_slowly) and len(held) < 20:
                held.append(client)
            else:
                client.close()
            count[number] += 1
            over.wait(0.005)
        for client in held:
            client.close()

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(count)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _status(node: Node) -> StatusReply | None:
    try:
        return node.status()
    except CurrantError:
        return None


def test_the_pipeline_does_not_notice_what_is_done_to_the_control_socket(trial: Trial) -> None:
    node = trial.node("--procs", "1")
    pid = node.process.pid
    trial.enqueue("echo", count=50)
    trial.at_rest()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    memory, descriptors = _resident_bytes(pid), _descriptors(pid)
    trial.fault()
    with attacks(node.folder / "run" / "control.sock", seed) as made:
        ids = trial.enqueue("echo", count=trial.count(300))
        eventually(lambda: made() > 300)
        assert trial.at_rest() == {"completed": 50 + len(ids)}
    # Whoever still holds a place loses it when his time is over.
    reply = eventually(lambda: _status(node))
    trial.recovered()
    assert (reply.pid, reply.child_deaths, reply.executions["retried"]) == (pid, 0, 0)
    eventually(lambda: _descriptors(pid) <= descriptors + 2)
    assert _resident_bytes(pid) < memory + (64 << 20)
    assert "Traceback" not in node.log
    trial.check_ledger()
    assert node.stop() == 0


def _answer_to(uid: int, path: Path) -> bytes:
    """Returns what a process of that user is answered, or the name of the error that it meets."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        said = b"?"
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(path))
                client.sendall(REQUEST)
                said = client.recv(100)
        except OSError as error:
            said = type(error).__name__.encode()
        finally:
            os.write(writing, said)
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, as root alone can")
def test_another_user_is_refused_by_the_directory_and_by_the_supervisor(trial: Trial) -> None:
    # Not below the test's own folder, which is closed to other users itself.
    above = Path(tempfile.mkdtemp(prefix="currant-"))
    try:
        above.chmod(0o755)
        run = above / "run"
        node = trial.node("--procs", "1", CURRANT_RUNTIME_DIR=str(run))
        path = run / "control.sock"
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"status" in _answer_to(0, path)
        assert _answer_to(65534, path) == b"PermissionError"
        run.chmod(0o711)
        assert _answer_to(65534, path) == b"PermissionError"
        # Even if someone opens both: the supervisor asks the kernel who it is.
        path.chmod(0o666)
        assert _answer_to(65534, path) in (b"", b"ConnectionResetError", b"BrokenPipeError")
        assert node.stop() == 0
    finally:
        shutil.rmtree(above)

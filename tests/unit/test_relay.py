"""What children write to a pipe: it is always read, and passed on in whole lines."""

import os
import threading

import pytest

from currant.cli import relay
from currant.cli.relay import Relay, relayed
from currant.cli.writer import BYTES_MAX, Writer
from tests.nodes import eventually


class Kept:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, int]] = []

    def write(self, data: bytes, lines: int) -> None:
        self.pieces.append((data, lines))

    @property
    def text(self) -> bytes:
        return b"".join(data for data, _ in self.pieces)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def passing(kept: Kept) -> Relay:
    return Relay(kept)  # type: ignore[arg-type]


def test_lines_are_passed_on_whole(kept: Kept, passing: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LINE_MS_MAX", 3_600_000)
    os.write(passing.writing, b"one\ntwo\nthr")
    eventually(lambda: kept.pieces == [(b"one\ntwo\n", 2)])
    os.write(passing.writing, b"ee\n")
    eventually(lambda: kept.pieces[1:] == [(b"three\n", 1)])
    os.write(passing.writing, b"the end")
    passing.close()
    assert kept.pieces[2:] == [(b"the end", 1)]


def test_a_line_that_does_not_end_is_passed_on_in_parts(kept: Kept, passing: Relay) -> None:
    os.write(passing.writing, b"working ...")
    eventually(lambda: kept.text == b"working ...")
    line = b"x" * (2 * relay.LINE_BYTES_MAX)
    # Of its own: it waits for whoever reads.
    writing = threading.Thread(target=os.write, args=(passing.writing, line))
    writing.start()
    writing.join()
    eventually(lambda: len(kept.text) == len(b"working ...") + len(line))
    passing.close()


def test_what_a_reader_does_not_take_is_bounded_in_bytes_and_counted() -> None:
    reading, writing = os.pipe()
    writer = Writer(writing, dropped=lambda lines: f"{lines} dropped")
    piece = b"x" * (1 << 20)
    for _ in range(2 * BYTES_MAX // len(piece)):
        writer.write(piece + b"\n", 1)
    os.set_blocking(reading, False)
    told = b""

    def came() -> bool:
        nonlocal told
        try:
            told += os.read(reading, 1 << 20)
        except BlockingIOError:
            pass
        return b" dropped" in told

    eventually(came)
    assert int(told.split(b" dropped")[0].rpartition(b"\n")[2]) >= BYTES_MAX // len(piece) - 1
    os.close(reading)


def test_files_and_terminals_are_left_to_the_children(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reading, writing = os.pipe()
    file = os.open(tmp_path_factory.mktemp("relay") / "log", os.O_CREAT | os.O_WRONLY)

    def of(stdout: int, stderr: int) -> tuple[bool, bool, bool]:
        monkeypatch.setattr(relay, "STDOUT", stdout)
        monkeypatch.setattr(relay, "STDERR", stderr)
        streams = relayed(kept, lambda fd: kept)  # type: ignore[arg-type, return-value]
        return streams.stdout is not None, streams.stderr is not None, streams.stdout == streams.stderr

    other = os.pipe()
    assert of(file, file) == (False, False, True)
    assert of(file, writing) == (False, True, False)
    assert of(writing, file) == (True, False, False)
    assert of(writing, writing) == (True, True, True)
    assert of(other[1], writing) == (True, True, False)
    for fd in (reading, writing, file, *other):
        os.close(fd)

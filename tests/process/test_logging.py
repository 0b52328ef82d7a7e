"""What jobs log, in real nodes: its fields, its format, and that nobody who does not read it can stop them."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from currant.protocol.commands import LogLevelReply, LogLevelRequest
from currant.supervisor.asking import call
from tests.nodes import HANGS_S, World, eventually

MODULE = "logging_jobs"


def test_what_jobs_log_is_json_line_by_line_with_the_fields_of_the_execution(world: World) -> None:
    node = world.node("--procs", "2", module=MODULE)
    ids = {
        world.enqueue(f"{MODULE}.{function}", word)[0]: (f"{MODULE}.{function}", word)
        for function in ("says", "says_in_thread")
        for word in ("one", "two")
    }
    world.at_rest()
    eventually(lambda: sum("currant_execution" in line for line in node.log.splitlines()) == 2 * len(ids))
    lines = [json.loads(line) for line in node.log.splitlines()]
    assert all(fields["event"] and fields["level"] for fields in lines)
    said: dict[str, list[tuple[str, str, str | None]]] = {}
    for fields in lines:
        if id := fields.get("currant_execution"):
            assert (fields["currant_queue"], fields["currant_attempt"]) == ("test", 1)
            said.setdefault(id, []).append((fields["currant_function"], fields["event"], fields.get("word")))
    assert said == {
        id: [(function, f"said {word}", None), (function, "sang", word)] for id, (function, word) in ids.items()
    }
    # A level that is set while the node runs is that of the jobs, too.
    call(node.folder / "run" / "control.sock", LogLevelRequest("debug"), LogLevelReply)
    world.enqueue(f"{MODULE}.says", "three")
    eventually(lambda: node.told("too low"))
    # Also of children that come later.
    before = node.children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(node.children()) - set(before)) == 2)
    world.enqueue(f"{MODULE}.says", "four")
    eventually(lambda: len(node.told("too low")) == 2)
    assert node.stop() == 0


class Pipe:
    """What `currantd` has for standard output and error, and its reader, who does not read."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self._reading: int | None = reading

    def close(self) -> None:
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None

    def read(self, until: bytes) -> str:
        """Reads until somebody writes that."""
        assert self._reading is not None
        data = b""
        while until not in data:
            data += os.read(self._reading, 1 << 16)
        return data.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()
    os.close(pipe.writing)


@pytest.mark.parametrize("trouble", ["closed", "full"])
def test_whoever_does_not_read_what_jobs_write_does_not_stop_them(world: World, pipe: Pipe, trouble: str) -> None:
    if trouble == "closed":
        pipe.close()
    world.output = pipe.writing
    node = world.start("--procs", "2", module=MODULE)
    # More than a pipe holds, by each of several at a time.
    ids = world.enqueue(f"{MODULE}.talks", 300, count=8, max_retries=0)
    assert world.at_rest() == {"completed": len(ids)}
    assert node.stop() == 0


def test_what_jobs_write_to_a_pipe_comes_out_in_whole_lines(world: World, pipe: Pipe) -> None:
    world.output = pipe.writing
    # One: print() writes a line and its end one after the other.
    node = world.start("--procs", "1", module=MODULE)
    world.enqueue(f"{MODULE}.talks", 5, count=4, max_retries=0)
    world.at_rest()
    node.send(signal.SIGTERM)
    text = pipe.read(until=b"node stopped")
    lines = [line for line in text.splitlines() if line not in ("raw", "x" * 1000)]
    assert text.splitlines().count("raw") == 4
    assert sum(json.loads(line).get("currant_function") == f"{MODULE}.talks" for line in lines) == 20
    assert node.process.wait(HANGS_S) == 0

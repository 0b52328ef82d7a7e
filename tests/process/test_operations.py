"""What currantctl asks of a node that works, by the real commands: each says what became of it, and so does the log."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from currant.cli import currantctl
from currant.supervisor.events import Event
from tests.nodes import HANGS_S, Node, World, eventually, is_alive

CURRANTCTL = [sys.executable, "-m", "currant.cli.currantctl"]
EVENTS = (
    Event.NODE_DRAINED,
    Event.RESTART_ASKED,
    Event.CHILD_RETIRED,
    Event.CANCEL_ASKED,
    Event.PLACE_OPENED,
    Event.PLACE_CLOSED,
    Event.NODE_RESUMED,
)


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Control:
    """`currantctl` for one node: the program, and, as the start of a Python takes its time, mostly within this one."""

    def __init__(self, node: Node) -> None:
        self._options = ("--runtime-dir", str(node.folder / "run"))

    def program(self, *args: str) -> Done:
        command = [*CURRANTCTL, *args, *self._options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, *args: str) -> Done:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = currantctl.app([*args, *self._options], prog_name="currantctl", standalone_mode=False)
        return Done(code or 0, out.getvalue(), err.getvalue())

    def says(self, *args: str, code: int = 0) -> str:
        """Returns what it prints for people."""
        done = self.run(*args)
        assert done.code == code, done
        return done.out

    def json(self, *args: str, code: int = 0) -> Any:
        """Returns what it prints for programs."""
        return json.loads(self.says(*args, "--json", code=code))

    def refuses(self, *args: str, code: int = 1) -> str:
        """Returns the one line that says why it does not."""
        done = self.run(*args)
        (line,) = done.err.splitlines()
        assert (done.code, done.out) == (code, ""), done
        return line


def answered(ctl: Control, what: str, *args: str) -> list[dict[str, Any]]:
    """Returns what the command tells, when all children have answered in time."""
    told: list[list[dict[str, Any]]] = []

    def all_did() -> bool:
        told.append(ctl.json(*args)[what])
        return not any(each["stalled"] for each in told[-1])

    eventually(all_did)
    return told[-1]


def test_what_a_node_is_asked_to_do_it_does_and_says(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "2", "--no-prefetch")
    ctl = Control(node)

    # What runs where, and its stacks.
    eventually(lambda: "-- nothing runs" in ctl.says("stacks", "0"))
    gated = world.enqueue("gated", count=2)
    (threaded,) = world.enqueue("sync_gated")
    world.begun([*gated, threaded])
    program = ctl.program("running", "--json")
    assert (program.code, program.err) == (0, "")
    assert json.loads(program.out)["total"] == 3
    # On a slow machine a child may not answer in time, and is then taken for one that never will.
    by_id = {each["id"]: each for each in answered(ctl, "executions", "running")}
    assert by_id.keys() == {*gated, threaded}
    assert by_id[threaded]["function"] == "jobs.sync_gated"
    assert all(0 <= each["run_s"] < HANGS_S for each in by_id.values())
    assert {each["pid"] for each in by_id.values()} <= set(node.children())
    assert [(each["queue"], each["attempt"], each["stalled"]) for each in by_id.values()] == [("test", 1, False)] * 3
    assert "1 shown" in ctl.says("running", "--limit", "1")
    stacks = answered(ctl, "processes", "stacks")
    assert [each["child"] for each in stacks] == [None, 0, 1]
    assert "claimer" in stacks[0]["others"]
    standing = {each["id"]: each["stack"] for process in stacks for each in process["executions"]}
    assert standing.keys() == by_id.keys()
    assert all("in gate_opened" in standing[id] for id in gated)
    assert "in sync_gated" in standing[threaded]
    place = str(by_id[threaded]["child"])
    eventually(lambda: f"-- {threaded} jobs.sync_gated" in ctl.says("stacks", place))
    assert "there is no child 7: there are 0, 1" in ctl.refuses("stacks", "7")

    # A drained node takes nothing, gives back what has not started, and stays.
    drained = ctl.json("drain")
    assert (drained["already"], drained["held"]) == (False, 3)
    in_vain = ctl.program("drain", "--timeout", "0.1")
    assert (in_vain.code, in_vain.out, in_vain.err) == (4, "drained already: 3 still run\n", "")
    assert node.status().drained
    assert "drained" in ctl.says("status")
    (waits,) = world.enqueue("echo")

    # Another process for a child, which finishes what it runs.
    before = by_id[threaded]["pid"]
    replaced = ctl.json("restart", place)
    assert replaced["before"] == before
    assert replaced["pid"] in node.children()
    assert is_alive(before)
    assert "there is no child 9" in ctl.refuses("restart", "9")

    # A cancel ends what runs here, and what waits.
    asked, done = ctl.says("cancel", gated[0], waits).splitlines()
    # It may have ended by the time that the database says how it is.
    assert asked in (f"{gated[0]} runs: asked to end", f"{gated[0]} cancelled")
    assert done == f"{waits} cancelled"
    eventually(lambda: world.row(gated[0])["status"] == "cancelled")
    assert ctl.json("cancel", waits, code=1)[0]["reason"] == "it is cancelled already"
    assert "job_nowhere: no execution has this id" in ctl.refuses("cancel", "job_nowhere")

    # More children, and fewer.
    assert ctl.json("scale", "3") == {"type": "scale", "procs": 3, "before": 2}
    eventually(lambda: {each.child for each in node.status().children if each.state == "ready"} == {0, 1, 2})
    assert "2 children, 3 before" in ctl.says("scale", "2")
    assert "must be 1 to 1000, got 5000" in ctl.refuses("scale", "5000")

    # The log's level.
    assert ctl.says("log-level").strip() == "info"
    assert ctl.says("log-level", "error").strip() == "error, info before"
    assert "must be debug, info, warning or error, got loud" in ctl.refuses("log-level", "loud")
    assert ctl.json("log-level", "info") == {"type": "log_level", "level": "info", "before": "error"}
    eventually(lambda: [each["now"] for each in node.told(Event.LEVEL_CHANGED)] == ["error", "info"])

    world.open_gate()
    assert "nothing runs" in ctl.says("drain", "--wait")
    eventually(lambda: not is_alive(before))
    (later,) = world.enqueue("echo")
    assert ctl.says("resume").strip() == "resumed"
    eventually(lambda: world.row(later)["status"] == "completed")
    assert ctl.json("resume")["already"]

    for event in EVENTS:
        assert node.told(event), event
    assert len(node.told(Event.NODE_DRAINED)) == len(node.told(Event.NODE_RESUMED)) == 1
    assert world.at_rest() == {"completed": 3, "cancelled": 2}
    assert node.status().child_deaths == 0
    assert node.stop() == 0


def test_of_a_child_that_does_not_answer_is_told_what_is_known(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "1")
    ctl = Control(node)
    (id,) = world.enqueue("blocking")
    world.begun([id])
    eventually(lambda: node.status().children[0].stalled_s is not None)
    (running,) = ctl.json("running")["executions"]
    assert (running["id"], running["stalled"]) == (id, True)
    assert running["run_s"] >= 3
    (process,) = ctl.json("stacks", "0")["processes"]
    assert (process["stalled"], process["unknown"]) == (True, [id])
    assert "in blocking" in process["others"]
    world.open_gate()
    assert world.at_rest() == {"completed": 1}
    (pid,) = node.children()
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: node.status().children[0].stalled_s is not None)
    assert "none: the process is stopped" in ctl.says("stacks", "0")
    os.kill(pid, signal.SIGCONT)
    assert node.stop() == 0

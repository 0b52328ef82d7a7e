"""Frames that are well formed, and lie: what user code can write into its child's socket."""

import msgspec

from currant.backends import Ended, NewExecution
from currant.executions import Ending, Outcome
from currant.protocol import work


def frame(message: object) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def new(**fields: object) -> NewExecution:
    made = NewExecution("jobs.echo", "nowhere", 5, b"[]", b"{}", b"{}", 3, None)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


#: What a supervisor lives with: it is refused, answered with an error, or means nothing.
TOLERATED: list[object] = [
    work.Hello(1),
    work.Outcomes([Outcome(cell, Ending.COMPLETED, b"1") for cell in (-1, 8000, 9000, 2**40)]),
    work.Outcomes([], [-1, 8000, 9000, 2**40], float("nan")),
    work.Outcomes([], [8001] * 10_000, -1e308),
    work.Recalled([-5, 8001, 8001, 2**63]),
    work.Overrun(2**40),
    work.Inspected(1, [work.Inspection(2**40, 1.0, "x" * 1000), work.Inspection(-1, None)], "\x1b[2J"),
    work.Lend(-7),
    work.Lend(2**50),
    work.Lend(0),
    work.Outcomes([Outcome(8191, Ending.FAILED, b'{"type":"E","message":"","more":' + b"[" * 100_000)]),
    work.Unwatch(["", "job_nowhere", "\0"]),
    work.Watch(["", "job_nowhere", "a\0b", "x" * 9000, "job_nowhere"]),
    work.CancelIds(2**63, ["a\0b", "job_nowhere", ""]),
    work.Enqueue(1, ["job_a"], [new(args=b"not JSON")]),
    work.Enqueue(1, ["job_b", "job_b"], [new(), new()]),
    work.Enqueue(2, ["a\0b"], [new(function="a\0b")]),
    work.Enqueue(3, ["job_c"], [new(queue="x" * 64)]),
    work.Enqueue(4, ["job_d"], [new(queue="")]),
    work.Enqueue(5, ["job_e"], [new(options=b"\xff\xfe")]),
    work.Enqueue(6, ["job_f"], [new(unique_key="k" * 9000)]),
    work.Enqueue(7, ["job_g" * 2000], [new()]),
]
#: What costs the child, and nothing else.
FATAL: dict[str, object] = {
    "integers": work.Enqueue(1, ["job_h"], [new(priority=2**63)]),
    "delay": work.Enqueue(1, ["job_i"], [new(delay_s=float("nan"))]),
    "moment": work.Enqueue(1, ["job_j"], [new(run_at_s=float("inf"))]),
    "outcome": work.Outcomes([Outcome(0, Ending.SNOOZED, None, float("inf"))]),
    "boot": work.BootFailed("I cannot", "Traceback"),
    "another's": work.Results([Ended("job_a", "completed", b"1")]),
    "ids": ["enqueue", 1, ["a", "b"], []],
    "depth": msgspec.Raw(b"\x93\xa5hello\x01" + b"\x91" * 100_000 + b"\x01"),
}

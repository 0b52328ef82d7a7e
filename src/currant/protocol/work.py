"""The messages between the supervisor and a child."""

import msgspec

from currant.executions import Execution, Outcome


class Run(msgspec.Struct, tag="run", array_like=True, gc=False):
    """To the child: run these, in this order, as slots allow."""

    executions: list[Execution]


class Recall(msgspec.Struct, tag="recall", array_like=True, gc=False):
    """To the child: give back those of these that have not started. It answers with one Recalled."""

    cells: list[int]


class Cancel(msgspec.Struct, tag="cancel", array_like=True, gc=False):
    """To the child: cancel those of these that run; what ends by it is released, not failed."""

    cells: list[int]


class Hello(msgspec.Struct, tag="hello", array_like=True, gc=False):
    """From the child: it is ready for work."""

    pid: int


class Outcomes(msgspec.Struct, tag="outcomes", array_like=True, gc=False):
    """From the child: what became of some executions."""

    outcomes: list[Outcome]


class Recalled(msgspec.Struct, tag="recalled", array_like=True, gc=False):
    """From the child: these have not started, and will not."""

    cells: list[int]


ToChild = Run | Recall | Cancel
FromChild = Hello | Outcomes | Recalled

to_child_decoder = msgspec.msgpack.Decoder(ToChild)
from_child_decoder = msgspec.msgpack.Decoder(FromChild)

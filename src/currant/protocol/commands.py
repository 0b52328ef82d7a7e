"""What `currantctl` asks of a supervisor, and what it is told. The replies are also what `--json` prints."""

from typing import ClassVar

import msgspec

from currant.protocol.status import StatusRequest

#: How long most answers may take.
ANSWER_S = 10.0
CONTROL_REPLY_BYTES_MAX = 4 << 20


class ReloadRequest(msgspec.Struct, tag="reload", array_like=True):
    """Replace the children by such with the code as it is now. Answered when that is done."""

    #: As long as the user's modules and hooks take, each bounded by the boot timeout.
    answer_s: ClassVar[float | None] = None


class ReloadReply(msgspec.Struct, tag="reload"):
    """`error`: why the old code goes on; else the functions, and what is new and gone of them."""

    error: str | None
    functions: list[str] = []
    added: list[str] = []
    removed: list[str] = []


#: Each has `answer_s`: how long its answer may take, in seconds; None: however long it takes.
Request = StatusRequest | ReloadRequest

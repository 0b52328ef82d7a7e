"""How long executions waited and ran, as a child measures it: added up by function, for a message each would cost more
than many of them."""

from typing import Annotated

import msgspec

#: The upper bounds of the buckets that times are counted in, in seconds; one more bucket holds what is above the last.
BOUNDS_S: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

# Checked where it is decoded: user code can write to its child's socket.
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
Bucket = Annotated[int, msgspec.Meta(ge=0, le=len(BOUNDS_S))]
#: What a sum may come to: nine million years.
SECONDS_MAX = 2.0**48
Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]


class Timings(msgspec.Struct, array_like=True, gc=False):
    """Of one function in one queue, since what was sent before.

    `began`: how many executions began, which is when user code could run. `ended`: how many of those that began came to
    an end here, whatever end. `waits` and `runs` are counts by bucket; the sums beside them are in seconds.
    """

    queue: str
    function: str
    began: Count = 0
    ended: Count = 0
    waits: dict[Bucket, Count] = {}
    waits_s: Seconds = 0.0
    runs: dict[Bucket, Count] = {}
    runs_s: Seconds = 0.0

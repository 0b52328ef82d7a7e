"""Time-ordered ids. Ordered ids keep the primary key's inserts at its right edge; random ones scatter them."""

import os
import secrets
import threading
import time

_TAIL_BITS = 74
_lock = threading.Lock()
_last = [0, 0]


def new_ids(count: int) -> list[str]:
    """Returns `count` new ids of jobs, in the order in which they sort.

    Each is `job_` and a UUID version 7 (RFC 9562, section 5.7) in hexadecimal. Within one millisecond the random part
    only grows (the RFC's section 6.2, method 2), so that one process's ids sort in the order of their making.
    """
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _last[0]:
            # The top bit stays free, so that growing cannot overflow.
            _last[:] = now, secrets.randbits(_TAIL_BITS - 1)
        else:
            # A random step: a forked process that shares the state does not draw the same ids.
            _last[1] += 1 + secrets.randbits(32)
        first = _last[1]
        _last[1] += count - 1
        head = _last[0] << 80 | 0x7 << 76
    return [
        f"job_{head | (tail >> 62) << 64 | 0b10 << 62 | tail & 0x3FFF_FFFF_FFFF_FFFF:032x}"
        for tail in range(first, first + count)
    ]


def _forked() -> None:
    """Another thread of the parent may have held the lock, and is not here to let it go."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def new_node_id() -> str:
    """Returns a new node's id: random at each boot, for a reused name would defeat the rescue of a dead one's work."""
    return f"node_{secrets.token_hex(8)}"

"""SAQ on Redis, with hiredis.

The defaults but for 100 jobs at a time: its own is 10. It has no bulk enqueue; `enqueue` is called concurrently,
which it bounds by itself. Results are kept for ten minutes, as by default.
"""

from benchmarks.peers.peer import PythonPeer
from benchmarks.peers.servers import Place


class SAQ(PythonPeer):
    name, title, server = "saq", "SAQ", "redis"
    script = "saq_peer.py"
    settings = "`concurrency=100`, hiredis; results kept for ten minutes"
    jobs_max = 20_000

    def left(self, place: Place, *, guess: bool) -> int:
        return int(place.redis.ask("ZCARD", "saq:default:incomplete"))

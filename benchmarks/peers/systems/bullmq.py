"""BullMQ on Redis.

`concurrency: 100`, the lower end of what its documentation calls standard; the last 1,000 completed jobs are kept, as
its page on production advises to bound them. Bulk enqueue is `addBulk`, in batches of 1,000.
"""

from benchmarks.peers.peer import NodePeer
from benchmarks.peers.servers import Place


class BullMQ(NodePeer):
    name, title, server = "bullmq", "BullMQ", "redis"
    script = "bullmq.mjs"
    settings = "`concurrency: 100`; the last 1,000 jobs kept"

    def left(self, place: Place, *, guess: bool) -> int:
        return sum(int(place.redis.ask("LLEN", f"bull:peers:{state}")) for state in ("wait", "active"))

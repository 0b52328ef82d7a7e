"""graphile-worker, on Node.

Its documentation's page on performance measures with 24 concurrent jobs per process, a pool of one more, a local
queue of 500 and completions batched with no delay; so do we, with the Node that it asks for (22.18 or later).
PEER_LOCAL_QUEUE=2000 tries another local queue. Jobs that are done are deleted. Bulk enqueue is `addJobs`, in batches
of 10,000. Only the paid edition recovers a dead worker's jobs before four hours are over.
"""

from benchmarks.peers.peer import NodePeer, rows_left
from benchmarks.peers.servers import Place


class GraphileWorker(NodePeer):
    name = title = "graphile-worker"
    script = "graphile_worker.mjs"
    settings = "24 jobs at a time, local queue 500, batched completion; rows deleted"

    def left(self, place: Place, *, guess: bool) -> int:
        return rows_left(place, "graphile_worker._private_jobs", "true", guess=guess)

"""pg-boss, on Node.

Its workers fetch and complete batches: `batchSize` 1,000 for the no-op jobs, with `burstWhenBatchFull`, so that a
backlog is fetched without a pause; LISTEN/NOTIFY on, for latency, and one job per batch there. The `hold` queue has
heartbeats of 10 s, the shortest. Jobs that are done stay as rows. Bulk enqueue is `insert`, in batches of 10,000.
"""

from benchmarks.peers.peer import NodePeer, rows_left
from benchmarks.peers.servers import Place


class PgBoss(NodePeer):
    name = title = "pg-boss"
    script = "pgboss.mjs"
    settings = "`batchSize: 1000` in bursts, `notify`; rows kept"

    def left(self, place: Place, *, guess: bool) -> int:
        return rows_left(
            place, "pgboss.job_common", "state < 'completed' AND name IN ('noop', 'stamp', 'hold')", guess=guess
        )

"""PgQueuer, with asyncpg and uvloop.

From its page on tuning: `pgq autovac` after the installation, a larger `batch_size` for short jobs, one asyncpg
connection per worker, durable tables. Jobs that are done leave the table for a log, of states only. Bulk enqueue is
`Queries.enqueue` with lists, in batches of 10,000. `heartbeat_timeout` stays at its 30 s.
"""

from benchmarks.peers.peer import PythonPeer, rows_left
from benchmarks.peers.servers import Place


class PgQueuer(PythonPeer):
    name, title = "pgqueuer", "PgQueuer"
    script = "pgqueuer_peer.py"
    settings = "asyncpg, uvloop, `batch_size=500`, `autovac`; rows moved to a log"

    def left(self, place: Place, *, guess: bool) -> int:
        return rows_left(place, "pgqueuer", "true", guess=guess)

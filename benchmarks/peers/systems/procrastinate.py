"""Procrastinate, with psycopg's C implementation.

Its documentation gives `concurrency=30` for short asynchronous jobs; the pool has a connection for each, so that none
waits for another's. Stalled jobs are found by the periodic task of its recipe, here every minute (the recipe's is
every ten). Jobs that are done stay as rows. Bulk enqueue is `batch_defer_async`, in batches of 10,000.
"""

from benchmarks.peers.peer import PythonPeer, rows_left
from benchmarks.peers.servers import Place


class Procrastinate(PythonPeer):
    name, title = "procrastinate", "Procrastinate"
    script = "procrastinate_peer.py"
    settings = "`concurrency=30`, stalled jobs retried every minute; rows kept"
    jobs_max = 20_000

    def left(self, place: Place, *, guess: bool) -> int:
        unfinished = "status IN ('todo', 'doing') AND task_name IN ('noop', 'stamp', 'hold')"
        return rows_left(place, "procrastinate_jobs", unfinished, guess=guess)

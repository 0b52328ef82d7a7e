"""Celery on Redis.

One worker with a pool of processes (prefork). From its guide on optimizing: `worker_prefetch_multiplier` 128 for
short tasks, results ignored. `task_acks_late` and `task_reject_on_worker_lost`, for without them a task that had
begun is lost when its process dies, and all the others here run it again. It has no bulk enqueue: tasks are sent one
after the other over one connection.
"""

from collections.abc import Sequence

from benchmarks.peers.peer import PythonPeer
from benchmarks.peers.servers import Place


class Celery(PythonPeer):
    name, title, server = "celery", "Celery", "redis"
    script = "celery_peer.py"
    settings = "prefork, prefetch 128, `acks_late`, results ignored; nothing kept"
    jobs_max = 20_000

    def workers(self, processes: int) -> Sequence[list[str]]:
        """One command: its pool has the processes."""
        return [self.command("work")]

    def left(self, place: Place, *, guess: bool) -> int:
        return int(place.redis.ask("LLEN", "celery")) + int(place.redis.ask("HLEN", "unacked"))

"""How many executions a second jobs enqueue from inside, by the database's clock: `python -m currant.bench.inside`.

Prints a line for each way of enqueueing: in one call for many, and one by one; with the sub-jobs left waiting, and run.
"""

import argparse
import asyncio
import os

from rich.console import Console

from currant import backends
from currant.bench import inside_jobs
from currant.bench.jobs import QUEUE
from currant.bench.node import Node
from currant.bench.plan import PAYLOAD_BYTES_MAX, Plan
from currant.client import DatabaseBackend
from currant.store import bench_queries, migrate
from currant.store.connections import connect
from currant.store.scratch import scratch_database

POLL_S = 0.1


async def measure(
    url: str, kind: str, *, procs: int, parents: int, count: int, served: bool, console: Console
) -> float:
    """Returns the enqueues a second from the first to the last that the database has."""
    connection = await connect(url, "currant:bench")
    backend = DatabaseBackend(url, payload_bytes_max=PAYLOAD_BYTES_MAX)
    plan = Plan(workers=procs, concurrency=parents // procs, jobs=parents, warmup_percent=0)
    queues = [QUEUE, inside_jobs.INNER] if served else [QUEUE]
    try:
        await migrate.migrate(connection)
        await bench_queries.clear(connection)
        with Node(plan, url, console, modules="currant.bench.inside_jobs", queues=queues) as node:
            await node.ready()
            with backends.installed(backend):
                await inside_jobs.start(kind, parents, count)
            while True:
                inside = await bench_queries.inside(connection, queue=inside_jobs.INNER)
                if inside.executions >= parents * count:
                    if not inside.seconds:
                        raise SystemExit(
                            "one statement has inserted them all, which is no pace: ask for more with --count"
                        )
                    return inside.executions / inside.seconds
                await asyncio.sleep(POLL_S)
    finally:
        await backend.close()
        await connection.close()


def main() -> None:
    """Runs all, on CURRANT_DATABASE_URL or a throwaway server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--procs", type=int, default=8)
    parser.add_argument("--parents", type=int, default=64, help="jobs that enqueue, dealt to the children")
    parser.add_argument("--count", type=int, default=1000, help="enqueues of each of them")
    options = parser.parse_args()
    console = Console(stderr=True)
    with scratch_database(os.environ.get("CURRANT_DATABASE_URL"), "bench") as scratch:
        for served in (False, True):
            for kind in ("in_batches", "one_by_one"):
                per_s = asyncio.run(
                    measure(
                        scratch.url,
                        kind,
                        procs=options.procs,
                        parents=options.parents,
                        count=options.count,
                        served=served,
                        console=console,
                    )
                )
                what = "run meanwhile" if served else "left waiting"
                Console().print(f"{kind}, sub-jobs {what}: {per_s:,.0f} enqueues/s")


if __name__ == "__main__":
    main()

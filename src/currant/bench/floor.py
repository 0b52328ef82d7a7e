"""The SQL floor: the pipeline's own claim and complete statements, back to back on one connection."""

import time

from currant.bench.pace import Pace
from currant.bench.plan import BenchFailed
from currant.identifiers import new_node_id
from currant.store import queries
from currant.store.connections import Connection, connect
from currant.supervisor.claimer import CLAIM_BYTES_MAX

#: Beside the jobs' queue in the same table, so that both meet the same indexes and pages.
FLOOR_QUEUE = "currant-floor"
BATCH_ROWS = 500
PAYLOAD_BYTES_MAX = 1 << 20


async def measure_floor(url: str, rows: int, warmup: int) -> Pace:
    """Claims and completes so many executions of the floor's queue; the first `warmup` ones are not counted.

    Unlike a drain's, this time is taken at the client, and ends when the last completion is committed.
    """
    connection = await connect(url, "currant:bench-floor", hot=True)
    try:
        # Registered anew each time: with no heartbeat in between, the measured node would declare this one dead.
        node = new_node_id()
        await queries.register(connection, node=node, queues=[FLOOR_QUEUE], metadata={})
        await _work(connection, node, warmup)
        began_s = time.perf_counter()
        await _work(connection, node, rows - warmup)
        seconds = time.perf_counter() - began_s
        await queries.deregister(connection, node=node, doubt=False)
    finally:
        await connection.close()
    return Pace(rows - warmup, seconds)


async def _work(connection: Connection, node: str, rows: int) -> None:
    while rows > 0:
        batch = min(rows, BATCH_ROWS)
        claim = await queries.claim(
            connection,
            node=node,
            queues=[FLOOR_QUEUE],
            rows=batch,
            look=batch,
            bytes_max=CLAIM_BYTES_MAX,
            payload_bytes_max=PAYLOAD_BYTES_MAX,
            plenty=True,
        )
        # Fewer where the payloads are so large that a claim is full of them.
        executions = claim.read()
        completed = await queries.complete(connection, executions, [b"null"] * len(executions))
        if not completed or completed != len(executions):
            raise BenchFailed(f"the SQL floor completed {completed} executions of {len(executions)}, with {rows} left")
        rows -= completed

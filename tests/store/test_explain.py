"""Guards of the hot statements' plans: no scan of the table, and a claim that costs the same whatever waits.

Each statement is prepared and executed as a node does it, on a hot connection, under EXPLAIN ANALYZE in a transaction
that is rolled back. `make explain` prints the plans.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from currant.executions import Execution
from currant.store import migrate, parking, queries
from currant.store.connections import Connection
from currant.store.scratch import Scratch, within
from tests.store.support import NODE, claim, connected, enqueue, new
from tests.support import in_loop

SMALL, LARGE = 1_000, 200_000
BATCH = 500
OTHERS = 2_000
PARKED_AT = f"timestamptz '9000-01-01 00:00:00+00' + make_interval(secs => {parking.moment_of('app.f')})"


class Table(NamedTuple):
    """A table of `rows` pending rows on the queue q, half as many parked there and on c, and others beside them."""

    url: str
    rows: int


class Plan(NamedTuple):
    """A plan as EXPLAIN gives it, with its nodes in a list."""

    nodes: list[dict[str, Any]]
    text: str
    buffers: int

    def scans(self, kind: str) -> list[dict[str, Any]]:
        return [node for node in self.nodes if node["Node Type"] == kind and node.get("Relation Name") == "executions"]

    def by_index(self, name: str) -> list[dict[str, Any]]:
        return [node for node in self.nodes if node.get("Index Name") == name]


def fill(url: str, rows: int, *, analyze: bool) -> None:
    """One statement for each kind of row: pending on q, some on others, scheduled and due, done, parked."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE executions SET (autovacuum_enabled = false)")
        insert = (
            "INSERT INTO executions (id, type, function_name, queue, status, args, run_at)"
            " SELECT {} || lpad(n::text, 28, '0'), 'job', 'app.f', {}, {}, '[\"someone@example.com\", 12345]', {}"
            " FROM generate_series(1, {}) AS n"
        )
        for prefix, queue, status, run_at, count in (
            ("job_q", "q", "pending", "NULL", rows),
            ("job_a", "a", "pending", "NULL", OTHERS),
            ("job_b", "b", "pending", "NULL", OTHERS),
            ("job_s", "q", "scheduled", "now() - interval '1 minute'", OTHERS),
            ("job_c", "q", "completed", "NULL", OTHERS),
            ("job_p", "q", "scheduled", PARKED_AT, rows // 2),
            ("job_r", "c", "scheduled", PARKED_AT, rows // 2),
        ):
            literals = [sql.Literal(each) for each in (prefix, queue, status)]
            connection.execute(sql.SQL(insert).format(*literals, sql.SQL(run_at), count))
        if analyze:
            connection.execute("ANALYZE executions")


@pytest.fixture(scope="module", params=["analyzed", "never analyzed"])
def tables(server: Scratch, request: pytest.FixtureRequest) -> Iterator[dict[int, Table]]:
    made: dict[int, Table] = {}
    schemas = []
    with psycopg.connect(server.url, autocommit=True) as connection:
        for rows in (SMALL, LARGE):
            schema = f"currant_test_{secrets.token_hex(4)}"
            schemas.append(schema)
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            made[rows] = Table(within(server.url, schema), rows)
            asyncio.run(prepare(made[rows].url))
            fill(made[rows].url, rows, analyze=request.param == "analyzed")
        yield made
        for schema in schemas:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


async def prepare(url: str) -> None:
    async with connected(url) as connection:
        await migrate.migrate(connection)
        await queries.register(connection, node=NODE, queues=["q"], metadata={})


@pytest.fixture(params=[SMALL, LARGE], ids=["1,000", "200,000"])
def table(tables: dict[int, Table], request: pytest.FixtureRequest) -> Table:
    return tables[request.param]


@asynccontextmanager
async def undone(url: str, *, hot: bool = True) -> AsyncIterator[Connection]:
    """A hot connection, or one such as applications have, in a transaction that is rolled back."""
    async with connected(url, hot=hot) as connection, connection.transaction(force_rollback=True):
        yield connection


async def explain(connection: Connection, name: str, parameters: dict[str, Any]) -> Plan:
    """Prepares the statement of this name and explains its execution with the parameters."""
    text = resources.files("currant.store").joinpath("sql", f"{name}.sql").read_text()
    # Without the comments, in which a quote would begin a string.
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    order = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    assert set(order) == set(parameters)
    numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${order.index(match[1]) + 1}", text)
    values = sql.SQL(", ").join(sql.Literal(parameters[each]) for each in order)
    await connection.execute(b"DEALLOCATE ALL")
    await connection.execute(f"PREPARE explained AS {numbered}".encode())
    execute = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained ({})").format(values)
    cursor = await connection.execute(execute)
    ((document,),) = await cursor.fetchall()
    root = document[0]["Plan"]
    nodes = list(flat(root))
    text = "\n".join(shown(root, 0))
    print(f"\n{name}\n{text}")
    return Plan(nodes, text, root["Shared Hit Blocks"] + root["Shared Read Blocks"])


def flat(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from flat(each)


def shown(node: dict[str, Any], depth: int) -> Iterator[str]:
    """The plan as people read it, a line for each node."""
    names = [node.get(key) for key in ("Subplan Name", "Node Type", "Index Name", "Relation Name", "CTE Name", "Alias")]
    what = " ".join(str(each) for each in names if each)
    buffers = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
    yield f"{'  ' * depth}{what}: {node['Actual Rows']} rows x {node['Actual Loops']}, {buffers} buffers"
    for each in node.get("Plans", ()):
        yield from shown(each, depth + 1)


def claim_parameters(
    queues: list[str], rows: int = BATCH, after: tuple[int, float, str] | None = None
) -> dict[str, Any]:
    after_priority, after_s, after_id = after or (None, None, None)
    return {
        "after_priority": after_priority,
        "after_s": after_s,
        "after_id": after_id,
        "node": NODE,
        "queues": queues,
        "rows": rows,
        "look": rows,
        "bytes": 8 << 20,
        "payload": 2 << 20,
        "until_s": 1e12,
        "discard": False,
    }


def claim_first_parameters() -> dict[str, Any]:
    several = claim_parameters([])
    return {name: several[name] for name in ("node", "rows", "bytes", "payload", "until_s", "discard")} | {"queue": "q"}


def assert_no_scan_of_the_table(plan: Plan) -> None:
    for kind in ("Seq Scan", "Bitmap Heap Scan"):
        assert not plan.scans(kind), plan.text


def assert_nothing_sorts_more_than(plan: Plan, rows: int) -> None:
    for node in plan.nodes:
        if node["Node Type"] in ("Sort", "Incremental Sort"):
            assert node["Actual Rows"] <= rows, plan.text


def texts_of(claimed: list[Execution]) -> dict[str, Any]:
    return {
        "ids": [each.id for each in claimed],
        "leases": [each.lease for each in claimed],
    }


@in_loop
@pytest.mark.parametrize("queues", [["q"], ["q", "a", "b"]], ids=["one queue", "three queues"])
async def test_explain_claim_takes_the_first_of_each_queue_from_the_index(table: Table, queues: list[str]) -> None:
    async with undone(table.url) as connection:
        plan = await explain(connection, "claim", claim_parameters(queues))
    assert_no_scan_of_the_table(plan)
    assert_nothing_sorts_more_than(plan, BATCH * len(queues))
    ((limit, scan),) = looks(plan)
    # A full claim does not ask when the next is due.
    assert not any(each["Actual Loops"] for each in plan.by_index("executions_run_at")), plan.text
    # The limit is inside, once for each queue, and the scan gives no more than it wants.
    assert limit["Actual Loops"] == scan["Actual Loops"] == len(queues), plan.text
    assert scan["Actual Rows"] <= BATCH, plan.text
    assert "Sort" not in scan["Node Type"]
    assert plan.scans("Tid Scan"), plan.text


def looks(plan: Plan) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Returns the scans of what is pending that the claim made, each with its limit, in their order."""
    found = [
        (node, below)
        for node in plan.nodes
        if node["Node Type"] == "Limit"
        for below in (each for child in node["Plans"] for each in (child, *child.get("Plans", ())))
        if below.get("Index Name") == "executions_ready"
    ]
    assert [scan for _, scan in found] == plan.by_index("executions_ready"), plan.text
    return [(limit, scan) for limit, scan in found if scan["Actual Loops"]]


@in_loop
async def test_explain_a_claim_of_the_first_ones_reads_them_twice_and_nothing_else(table: Table) -> None:
    async with undone(table.url) as connection:
        plan = await explain(connection, "claim_first", claim_first_parameters())
    assert_no_scan_of_the_table(plan)
    assert not [node for node in plan.nodes if "Sort" in node["Node Type"]], plan.text
    looked, written = [node for node in plan.nodes if node.get("Index Name") == "executions_ready"]
    for scan in (looked, written):
        assert scan["Actual Rows"] * scan["Actual Loops"] == BATCH, plan.text
    for part in ("queue = ", "priority = ", "ROW(created_at, id) <= "):
        assert part in written["Index Cond"] or part in looked["Index Cond"], plan.text
    assert {looked["Actual Loops"], written["Actual Loops"]} == {1}


@in_loop
async def test_explain_a_claim_behind_a_position_begins_there(table: Table) -> None:
    """Behind what was claimed last, in its priority and then in the lower ones: it passes no dead entry before it."""
    async with undone(table.url) as connection:
        first = await claim(connection, BATCH, queues=["q", "a"])
        assert first.last is not None
        plan = await explain(connection, "claim", claim_parameters(["q", "a"], BATCH, first.last))
        assert_no_scan_of_the_table(plan)
        assert_nothing_sorts_more_than(plan, 2 * BATCH)
        (_, same), *lower = looks(plan)
        for part in ("queue = ", "priority = ", "ROW(created_at, id) > "):
            assert part in same["Index Cond"], same["Index Cond"]
        for _, scan in lower:
            assert "priority < " in scan["Index Cond"], scan["Index Cond"]
            # It begins only when the first has run out.
            assert scan["Actual Rows"] * scan["Actual Loops"] <= BATCH, plan.text
        # The entries of what was claimed before, in this very transaction, are still there.
        assert same["Shared Hit Blocks"] + same["Shared Read Blocks"] <= 4 * BATCH, plan.text
    async with undone(table.url) as connection:
        unclaimed = await explain(connection, "claim", claim_parameters(["q", "a"]))
    assert plan.buffers <= 1.5 * unclaimed.buffers, (plan.buffers, unclaimed.buffers)


@in_loop
async def test_explain_an_empty_claim_looks_for_the_next_moment_at_one_row_of_each_queue(table: Table) -> None:
    async with undone(table.url) as connection:
        plan = await explain(connection, "claim", claim_parameters(["c", "d", "e"]))
    assert_no_scan_of_the_table(plan)
    (scan,) = plan.by_index("executions_run_at")
    assert scan["Actual Loops"] == 3, plan.text
    assert scan["Actual Rows"] <= 1, plan.text
    assert plan.buffers < 100, plan.text


@in_loop
async def test_explain_complete_reads_each_row_where_it_lies(table: Table) -> None:
    async with undone(table.url) as connection:
        claimed = (await claim(connection, BATCH)).executions
        parameters = {**texts_of(claimed), "tids": tids_of(claimed), "results": ["1"] * BATCH}
        plan = await explain(connection, "complete", parameters)
    assert_no_scan_of_the_table(plan)
    (scan,) = plan.scans("Tid Scan")
    assert scan["Actual Loops"] == BATCH
    assert scan["Actual Rows"] == 1


@in_loop
async def test_explain_outcomes_are_not_looked_for_in_all_of_a_table_that_was_small_when_they_were_planned(
    url: str,
) -> None:
    """A plan is kept until the table is analyzed anew, and it may have grown to anything by then."""
    async with connected(url) as connection:
        await queries.register(connection, node=NODE, queues=["q"], metadata={})
        await enqueue(connection, *[new()] * 10)
        await connection.execute(b"VACUUM (ANALYZE) executions")
        claimed = (await claim(connection, 5)).executions
        both, tids = texts_of(claimed), {"tids": tids_of(claimed)}
        verdicts = {
            "statuses": ["failed"] * 5,
            "errors": ["1"] * 5,
            "delays": [None] * 5,
            "uncounts": [0] * 5,
            "crashes": [0] * 5,
            "reasons": ["r"] * 5,
        }
        for name, parameters in (
            ("complete", {**both, **tids, "results": ["1"] * 5}),
            ("complete_by_id", {**both, "results": ["1"] * 5}),
            ("discard", {**both, **tids}),
            ("settle", {**both, **verdicts}),
        ):
            async with connection.transaction(force_rollback=True):
                plan = await explain(connection, name, parameters)
            (scan,) = plan.scans("Tid Scan") + plan.by_index("executions_pkey")
            assert scan["Actual Loops"] == 5, plan.text
            assert "TID Cond" in scan or "Index Cond" in scan, plan.text


def tids_of(claimed: list[Execution]) -> list[str]:
    return [f"({int.from_bytes(each.tid[:4], 'big')},{int.from_bytes(each.tid[4:], 'big')})" for each in claimed]


@in_loop
async def test_explain_complete_by_id_probes_the_primary_key(table: Table) -> None:
    async with undone(table.url) as connection:
        claimed = (await claim(connection, BATCH)).executions
        plan = await explain(connection, "complete_by_id", {**texts_of(claimed), "results": ["1"] * BATCH})
    assert_probes_by_id(plan)


@in_loop
async def test_explain_settle_probes_the_primary_key(table: Table) -> None:
    async with undone(table.url) as connection:
        claimed = (await claim(connection, BATCH)).executions
        parameters = {
            **texts_of(claimed),
            "statuses": ["pending", "failed"] * (BATCH // 2),
            "errors": ['{"type": "E"}'] * BATCH,
            "delays": [None] * BATCH,
            "uncounts": [0] * BATCH,
            "crashes": [1] * BATCH,
            "reasons": [None, "r"] * (BATCH // 2),
        }
        plan = await explain(connection, "settle", parameters)
    assert_probes_by_id(plan)


@in_loop
async def test_explain_what_children_ask_about_ids_probes_the_primary_key(table: Table) -> None:
    async with undone(table.url) as connection:
        ids = [each.id for each in (await claim(connection, BATCH)).executions]
        ended = await explain(connection, "ended", {"ids": ids, "bytes": 1 << 20})
        present = await explain(connection, "present", {"ids": ids})
        late = await explain(connection, "late", {"ids": ids, "leases": [1] * BATCH, "statuses": ["completed"] * BATCH})
        cancel = await explain(connection, "cancel", {"ids": ids, "prefix": "currant:node:"})
    for plan in (ended, present, cancel, late):
        assert_no_scan_of_the_table(plan)
        assert plan.by_index("executions_pkey"), plan.text
    (probe,) = ended.by_index("executions_pkey")
    assert probe["Actual Loops"] == BATCH, ended.text


@in_loop
async def test_explain_the_holders_of_unique_keys_are_probed_by_key(table: Table) -> None:
    async with undone(table.url) as connection:
        parameters = {"functions": ["app.f"] * BATCH, "keys": [str(number) for number in range(BATCH)]}
        plan = await explain(connection, "unique_holders", parameters)
    assert_no_scan_of_the_table(plan)
    assert plan.by_index("executions_unique"), plan.text


@in_loop
@pytest.mark.parametrize("count", [1, 20])
async def test_explain_cancel_and_its_question_probe_the_primary_key(tables: dict[int, Table], count: int) -> None:
    # Of the large table alone: the small one is read as quickly by a scan.
    async with undone(tables[LARGE].url, hot=False) as connection:
        ids = [f"job_q{number:028}" for number in range(1, count + 1)]
        for name, parameters in (("cancel", {"ids": ids, "prefix": "currant:node:"}), ("cancels_asked", {"ids": ids})):
            plan = await explain(connection, name, parameters)
            assert not plan.scans("Seq Scan"), plan.text
            assert plan.by_index("executions_pkey"), plan.text


def assert_probes_by_id(plan: Plan) -> None:
    assert_no_scan_of_the_table(plan)
    (probe,) = plan.by_index("executions_pkey")
    assert probe["Actual Loops"] == BATCH, plan.text
    assert probe["Actual Rows"] == 1


@in_loop
async def test_explain_what_applications_ask_by_id_probes_the_primary_key(table: Table) -> None:
    async with undone(table.url) as connection:
        ids = [each.id for each in (await claim(connection, BATCH)).executions]
        for name, parameters in (
            ("ended", {"bytes": 1 << 23}),
            ("present", {}),
            ("cancel", {"prefix": "currant:node:"}),
        ):
            plan = await explain(connection, name, {"ids": ids, **parameters})
            assert_no_scan_of_the_table(plan)
            assert plan.by_index("executions_pkey"), plan.text


@in_loop
async def test_explain_the_holders_of_unique_keys_are_probed_for(table: Table) -> None:
    async with undone(table.url) as connection:
        parameters = {"functions": ["app.f"] * BATCH, "keys": [f"k{number}" for number in range(BATCH)]}
        plan = await explain(connection, "unique_holders", parameters)
    assert_no_scan_of_the_table(plan)
    assert len(plan.by_index("executions_unique")) == 2, plan.text


@in_loop
async def test_explain_promote_takes_what_is_due_from_the_index(table: Table) -> None:
    async with undone(table.url) as connection:
        plan = await explain(connection, "promote", {"queues": ["q", "a", "b"], "rows": BATCH})
    assert_no_scan_of_the_table(plan)
    assert_nothing_sorts_more_than(plan, BATCH)
    for scan in plan.by_index("executions_run_at"):
        assert scan["Actual Rows"] <= BATCH, plan.text
    assert len(plan.by_index("executions_run_at")) == 2


@in_loop
async def test_explain_tick_looks_at_one_row_of_each_queue(table: Table) -> None:
    async with undone(table.url) as connection:
        parameters = {
            "node": NODE,
            "queues": ["q", "a", "b"],
            "timeout_s": 30,
            "channel": "currant:node:a",
            "scheduled": ["f"],
            "moments": [float(number) for number in range(200)],
        }
        plan = await explain(connection, "tick", parameters)
    assert_no_scan_of_the_table(plan)
    scans = plan.by_index("executions_run_at") + plan.by_index("executions_ready")
    # What is due, whether something is parked, and whether that is known, by queue and moment; what is pending.
    assert len(scans) == 4
    for scan in scans:
        assert scan["Actual Rows"] <= 1, plan.text
    assert plan.buffers < 100 + 200 * 4, plan.text


@in_loop
async def test_explain_what_is_parked_is_found_counted_and_unparked_in_pieces(tables: dict[int, Table]) -> None:
    buffers: dict[str, dict[int, int]] = {"parked": {}, "unpark": {}}
    for rows, table in tables.items():
        known = {
            "functions": [f"app.other{number}" for number in range(200)] + ["app.f"],
            "moments": [float(number) for number in range(200)] + [parking.moment_of("app.f")],
        }
        async with undone(table.url) as connection:
            await connection.execute(
                b'UPDATE executions SET error = \'{"type": "UnknownFunction"}\''
                b" WHERE id > 'job_p' AND id < 'job_p' || lpad('601', 28, '0')"
            )
            for name, parameters in (
                ("parked", {"queues": ["q", "a", "c"], "functions": 20, "rows": 400}),
                ("unpark", {"queues": ["q", "a"], "rows": 400, **known}),
            ):
                plan = await explain(connection, name, parameters)
                assert_no_scan_of_the_table(plan)
                for scan in plan.by_index("executions_run_at"):
                    assert scan["Actual Rows"] <= 400, plan.text
                buffers[name][rows] = plan.buffers
    for counted in buffers.values():
        assert counted[LARGE] <= 3 * counted[SMALL], buffers


@in_loop
@pytest.mark.parametrize("queues", [[], ["q"], ["q", "a", "b"]], ids=["claim_first", "one queue", "three queues"])
async def test_explain_a_claim_touches_as_many_buffers_whatever_waits(
    tables: dict[int, Table], queues: list[str]
) -> None:
    statement = ("claim", claim_parameters(queues)) if queues else ("claim_first", claim_first_parameters())
    buffers = {}
    for rows, table in tables.items():
        async with undone(table.url) as connection:
            plan = await explain(connection, *statement)
            buffers[rows] = plan.buffers
    assert buffers[LARGE] <= 1.5 * buffers[SMALL], buffers


@in_loop
async def test_explain_a_completion_touches_as_many_buffers_whatever_waits(tables: dict[int, Table]) -> None:
    buffers = {}
    for rows, table in tables.items():
        async with undone(table.url) as connection:
            claimed = (await claim(connection, BATCH)).executions
            parameters = {**texts_of(claimed), "tids": tids_of(claimed), "results": ["1"] * BATCH}
            buffers[rows] = (await explain(connection, "complete", parameters)).buffers
    assert buffers[LARGE] <= 1.5 * buffers[SMALL], buffers


def list_parameters(status: str) -> dict[str, Any]:
    nothing = {"upto": None, "queue": None, "function": None, "prefix": None, "since_s": None}
    return {**nothing, "statuses": [status], "rows": 50, "look": BATCH}


@in_loop
@pytest.mark.parametrize("status", ["pending", "failed"], ids=["found at once", "never found"])
async def test_explain_a_piece_of_a_list_looks_at_no_more_than_it_may(table: Table, status: str) -> None:
    async with undone(table.url) as connection:
        plan = await explain(connection, "list_executions", list_parameters(status))
    assert_no_scan_of_the_table(plan)
    assert_nothing_sorts_more_than(plan, BATCH)
    for scan in plan.by_index("executions_pkey"):
        assert scan["Actual Rows"] <= BATCH, plan.text


@in_loop
async def test_explain_the_list_of_queues_probes_each_and_counts_no_further_than_it_may(table: Table) -> None:
    async with undone(table.url) as connection:
        parameters = {"names": 1_000, "rows": BATCH, "timeout_s": 30}
        plan = await explain(connection, "list_queues", parameters)
    assert_no_scan_of_the_table(plan)
    scans = plan.by_index("executions_ready") + plan.by_index("executions_run_at")
    assert scans
    for scan in scans:
        assert scan["Actual Rows"] <= BATCH + 1, plan.text


@in_loop
async def test_explain_retry_probes_the_primary_keys(table: Table) -> None:
    async with undone(table.url) as connection:
        ids = [each.id for each in (await claim(connection, BATCH)).executions]
        cursor = await connection.execute(b"UPDATE executions SET status = 'failed' WHERE id = ANY (%s)", (ids,))
        assert cursor.rowcount == BATCH
        plan = await explain(connection, "retry", {"ids": ids, "letters": ids})
    assert_no_scan_of_the_table(plan)
    assert sum(probe["Actual Rows"] * probe["Actual Loops"] for probe in plan.by_index("executions_pkey")) == 2 * BATCH


@in_loop
async def test_explain_the_figures_of_queues_count_no_further_than_they_may(tables: dict[int, Table]) -> None:
    buffers = {}
    for rows, table in tables.items():
        async with undone(table.url) as connection:
            parameters = {"queues": ["q", "a", "c", "empty"], "rows": BATCH, "priorities": 100}
            plan = await explain(connection, "queue_figures", parameters)
        assert_no_scan_of_the_table(plan)
        assert_nothing_sorts_more_than(plan, 1)
        scans = plan.by_index("executions_ready") + plan.by_index("executions_run_at")
        # Of each queue the two counts, its first priority, and those below.
        assert len(scans) == 4, plan.text
        for scan in scans:
            assert scan["Actual Rows"] <= BATCH, plan.text
        buffers[rows] = plan.buffers
    assert buffers[LARGE] <= 3 * buffers[SMALL], buffers

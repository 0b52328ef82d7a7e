"""Row 30: whatever user code returns or raises, Postgres takes what we make of it, or it is refused before."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from currant.child.executor import execute
from currant.executions import Ending, RetryPolicy, judge
from currant.registry import Definition
from currant.store import queries
from tests.store.support import claim, enqueue, fetch, new, node
from tests.unit.support import no_threads

LIMIT = 1 << 20
POLICY = RetryPolicy(1.0, 10.0, 3)

_texts = st.text(st.characters()) | st.sampled_from(
    ["\0", "a\0b", "\ud800", "\udfff\ud800", "\\u0000", "\x7f\x80", "𝄞"]
)
_numbers = st.integers() | st.floats() | st.sampled_from([1e308, 5e-324, -0.0, 2**63, -(2**64), 1e16])
_anything = st.recursive(
    st.none() | st.booleans() | _numbers | _texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts | st.integers(), inner, max_size=4),
    max_leaves=10,
)


def returning(value: Any) -> Callable[[], Awaitable[Any]]:
    async def function() -> Any:
        return value

    return function


def raising(text: str) -> Callable[[], Awaitable[Any]]:
    async def function() -> Any:
        kind = type("E", (Exception,), {})
        # What `class` itself would not take.
        kind.__module__ = text
        raise kind(text)

    return function


@pytest.mark.fault(30)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    values=st.lists(_anything, min_size=1, max_size=20),
    texts=st.lists(_texts, max_size=20),
)
def test_every_result_and_every_error_is_stored_or_refused_by_name(
    url: str, values: list[Any], texts: list[str]
) -> None:
    asyncio.run(write(url, [*map(returning, values), *map(raising, texts)]))


async def write(url: str, functions: list[Callable[[], Awaitable[Any]]]) -> None:
    async with node(url, f"node_{secrets.token_hex(8)}") as connection:
        await fetch(connection, "DELETE FROM executions")
        await enqueue(connection, *[new(retries=0)] * len(functions))
        ((name,),) = await fetch(connection, "SELECT max(worker_id) FROM worker_heartbeats")
        held = (await claim(connection, len(functions), node=name)).executions
        outcomes = []
        for execution, function in zip(held, functions, strict=True):
            definition = Definition("app.f", function, "q", 0, None, 5)
            outcomes.append((execution, *(await execute(execution, definition, LIMIT, {}, no_threads()))))
        results = [(execution, body) for execution, ending, body, _ in outcomes if ending is Ending.COMPLETED]
        assert await queries.complete(
            connection, [each for each, _ in results], [body or b"null" for _, body in results]
        ) == len(results)
        verdicts = [
            judge(execution, ending, body, POLICY, lambda: 0.0, delay_s)
            for execution, ending, body, delay_s in outcomes
            if ending is not Ending.COMPLETED
        ]
        assert {each.reason is not None for each in verdicts} <= {True}
        assert await queries.settle(connection, verdicts) == len(verdicts)
        rows = "SELECT id, status, result::text, error ->> 'type', error ->> 'message' FROM executions"
        stored = {id: rest for id, *rest in await fetch(connection, rows)}
        for execution, ending, _, _ in outcomes:
            status, result, kind, message = stored[execution.id]
            if ending is Ending.COMPLETED:
                # A float of 1e16 and more comes back as an integer: see codec.py.
                assert (status, result is not None) == ("completed", True)
            else:
                assert (status, kind is not None, message is not None) == ("failed", True, True)

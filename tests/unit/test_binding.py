"""What records of user code carry of its execution: of the standard library's logging and of structlog's."""

import asyncio
import inspect
import json
import logging
import logging.config
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
import structlog
from msgspec.structs import replace
from structlog.contextvars import clear_contextvars, get_contextvars

from currant import logs
from currant.child.binding import Binding
from currant.child.logs import ChildLogging
from currant.executions import Ending, Execution
from currant.protocol import work
from tests.unit.test_runner import Supervised

EXECUTION = Execution("job_1", 3, b"", "app.f", "q", 2, 0, 3, None, b"[]", b"{}", 7)
FIELDS = {"currant_execution": "job_1", "currant_function": "app.f", "currant_queue": "q", "currant_attempt": 2}
NONE = dict.fromkeys(FIELDS)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Whatever a test does to the process's logging is undone."""
    factory, last_resort, level = logging.getLogRecordFactory(), logging.lastResort, logging.root.level
    yield
    logging.setLogRecordFactory(factory)
    logging.lastResort = last_resort
    logging.root.setLevel(level)


def _of_a_record() -> dict[str, Any]:
    record = logging.getLogger("app").makeRecord("app", logging.INFO, "", 0, "", (), None)
    return {name: getattr(record, name) for name in FIELDS}


def _run(function: Callable[[], Any], timeout_s: float | None = None) -> Ending:
    """Runs it as a child does, and returns its ending."""

    async def run() -> Ending:
        execution = replace(EXECUTION, timeout_s=timeout_s) if timeout_s else EXECUTION
        child = Supervised(function, is_async=inspect.iscoroutinefunction(function))
        child.receive(work.Run([execution]))
        return (await child.outcomes(1))[0].ending

    return asyncio.run(run())


def _look(into: list[Any]) -> None:
    into.append((_of_a_record(), get_contextvars()))


def test_records_carry_the_execution_in_coroutines_their_tasks_and_threads_and_nowhere_else() -> None:
    logs.mark_records()
    seen: list[Any] = []

    async def asynchronous() -> None:
        _look(seen)
        await asyncio.sleep(0)
        _look(seen)

        async def nested() -> None:
            await asyncio.sleep(0)
            _look(seen)

        async with asyncio.TaskGroup() as group:
            group.create_task(nested())
        await asyncio.to_thread(_look, seen)

    def synchronous() -> None:
        assert threading.current_thread() is not threading.main_thread()
        _look(seen)

    assert _run(asynchronous) is Ending.COMPLETED
    assert _run(synchronous) is Ending.COMPLETED
    assert seen == [(FIELDS, FIELDS)] * 5
    assert (_of_a_record(), get_contextvars()) == (NONE, {})


def test_what_a_timeout_or_a_failure_leads_to_carries_the_execution_too() -> None:
    logs.mark_records()
    seen: list[Any] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            _look(seen)

    async def fails() -> None:
        try:
            raise ValueError
        finally:
            _look(seen)

    assert _run(cleans_up, timeout_s=0.01) is Ending.TIMED_OUT
    assert _run(fails) is Ending.FAILED
    assert seen == [(FIELDS, FIELDS)] * 2
    assert (_of_a_record(), get_contextvars()) == (NONE, {})


def test_each_execution_has_its_own_and_what_it_binds_ends_with_it() -> None:
    binding = Binding(copy_context())
    first = binding.common(EXECUTION).copy()
    first.run(structlog.contextvars.bind_contextvars, user="ada")
    common = {name: value for name, value in FIELDS.items() if name != "currant_execution"}
    assert first.run(get_contextvars) == {**common, "user": "ada"}
    for _ in range(2):
        assert binding.common(EXECUTION).run(get_contextvars) == common
        other = binding.common(replace(EXECUTION, attempt=3))
        assert other.run(get_contextvars) == {**common, "currant_attempt": 3}
    for number in range(3000):
        last = binding.common(replace(EXECUTION, function=f"app.f{number}"))
    assert last.run(get_contextvars)["currant_function"] == "app.f2999"


def test_of_executions_in_a_row_each_has_its_own_and_leaves_nothing_to_the_next() -> None:
    seen: list[Any] = []

    async def function() -> None:
        seen.append(get_contextvars())
        structlog.contextvars.bind_contextvars(user="ada")

    async def run() -> None:
        child = Supervised(function)
        executions = [replace(EXECUTION, id=f"job_{cell}", cell=cell, attempt=1 + cell // 2) for cell in range(6)]
        child.receive(work.Run(executions))
        await child.outcomes(6)

    asyncio.run(run())
    assert seen == [
        {**FIELDS, "currant_execution": f"job_{cell}", "currant_attempt": 1 + cell // 2} for cell in range(6)
    ]


def test_where_nobody_uses_structlog_nothing_is_set_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "structlog")
    assert Binding(copy_context()).common(EXECUTION).run(get_contextvars) == {}


def test_the_filter_and_the_processor_give_the_fields_where_records_have_none() -> None:
    seen: list[Any] = []

    async def function() -> None:
        clear_contextvars()
        record = logging.makeLogRecord({})
        assert logs.ExecutionFilter().filter(record)
        seen.append({name: getattr(record, name) for name in FIELDS})
        seen.append(logs.add_execution(None, "info", {"event": "x", "currant_queue": "the user's own"}))

    assert _run(function) is Ending.COMPLETED
    assert seen == [FIELDS, {"event": "x", **FIELDS, "currant_queue": "the user's own"}]
    record = logging.makeLogRecord({})
    assert logs.ExecutionFilter().filter(record)
    assert {name: getattr(record, name) for name in FIELDS} == NONE
    assert logs.add_execution(None, "info", {"event": "x"}) == {"event": "x"}


class Loggers:
    """The process's loggers without those handlers that pytest has configured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logging.root, "handlers", [])
        logging.root.setLevel(logging.WARNING)
        self.child = ChildLogging("json")
        self.child.set_level("info")


def _printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_without_a_configuration_records_are_written_as_the_supervisors_events_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loggers = Loggers(monkeypatch)
    logger = logging.getLogger("app.mail")

    async def function() -> None:
        logger.info("sent %d", 3, extra={"to": "ada", "odd": object, "two words": float("inf")})
        logger.debug("too low")
        try:
            raise ValueError("no\nway")
        except ValueError:
            logger.exception("lost")

    logger.info("while the modules are imported: too low")
    loggers.child.settle()
    assert _run(function) is Ending.COMPLETED
    sent, lost = _printed(capsys)
    assert list(sent.items())[1:] == [
        ("level", "info"),
        ("event", "sent 3"),
        ("logger", "app.mail"),
        *FIELDS.items(),
        ("to", "ada"),
        ("odd", "<class 'object'>"),
        ("two words", "inf"),
    ]
    assert lost["exception"].startswith("Traceback")
    assert lost["exception"].endswith("ValueError: no\nway")
    loggers.child.set_level("error")
    logger.warning("too low")
    loggers.child.set_level("debug")
    logger.debug("seen")
    assert [fields["event"] for fields in _printed(capsys)] == ["seen"]


def test_a_users_own_configuration_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loggers = Loggers(monkeypatch)
    logging.basicConfig(format="%(levelname)s %(message)s %(currant_queue)s")
    loggers.child.settle()
    loggers.child.set_level("debug")
    assert logging.root.level == logging.WARNING
    logging.getLogger("app").warning("mine")
    assert capsys.readouterr().err == "WARNING mine None\n"


def test_a_users_own_configuration_that_comes_late_takes_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loggers = Loggers(monkeypatch)
    loggers.child.settle()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("app").warning("mine")
    assert capsys.readouterr().err == "mine\n"


def test_a_level_without_a_handler_stays_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    loggers = Loggers(monkeypatch)
    logging.root.setLevel(logging.ERROR)
    loggers.child.settle()
    loggers.child.set_level("debug")
    assert logging.root.level == logging.ERROR


def test_a_configuration_of_the_users_may_name_the_fields_where_no_child_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The one of docs/logging.md for Django, in a web server."""
    root = logging.root.handlers[:]
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"currant": {"()": "currant.logs.ExecutionFilter"}},
        "formatters": {"plain": {"format": "%(levelname)s %(name)s [%(currant_execution)s] %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["currant"]}},
        "loggers": {"web": {"handlers": ["console"], "level": "INFO", "propagate": False}},
    }
    logging.config.dictConfig(config)
    logging.getLogger("web").info("a request")
    assert capsys.readouterr().err == "INFO web [None] a request\n"

    async def function() -> None:
        logging.getLogger("web").info("a job")

    assert _run(function) is Ending.COMPLETED
    assert capsys.readouterr().err == "INFO web [job_1] a job\n"
    logging.getLogger("web").handlers.clear()
    assert logging.root.handlers == root

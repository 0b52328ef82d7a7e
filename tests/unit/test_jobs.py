"""`@job`: what can become one, what a call is checked for, and what is enqueued."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable
from typing import Any, assert_type

import msgspec
import pytest

import currant
from currant import client, job
from currant.backends import Enqueued, NewExecution
from currant.context import CurrentExecution, running
from currant.errors import ConfigurationError, CurrantError, NotJSON, RegistrationError
from currant.handles import Handle
from currant.identifiers import new_ids
from currant.jobs import Job, enqueue_many
from currant.names import check_queue
from currant.registry import Definition, Registry, function_name, registry
from tests.support import in_loop


class Recorder:
    """A backend that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, NewExecution]] = []
        self.statements = 0

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        rows = list(executions)
        self.statements += 1
        ids = new_ids(len(rows))
        self.rows += zip(ids, rows, strict=True)
        return [Enqueued(id, True) for id in ids]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(client, "_default", [recorder])
    return recorder


@job
async def add(a: int, b: int = 10) -> int:
    """Adds."""
    return a + b


@job(queue="emails", retries=1, timeout=2.5, priority=9, name="mail")
async def send(to: str, *, subject: str, **headers: str) -> None:
    pass


@job
async def several(*values: Any) -> list[Any]:
    return list(values)


async def plain(a: int = 0) -> int:
    return a


def definition(function: Any, name: str = "app.f") -> Definition:
    return Definition(name, function, "default", 3, None, 5)


# The name, and what can be registered


def test_the_name_is_module_and_qualname_or_what_was_given() -> None:
    assert add.name == f"{__name__}.add"
    assert send.name == "mail"
    assert registry.get(f"{__name__}.add") is not None
    assert registry.get("nothing") is None


def test_a_job_looks_like_its_function() -> None:
    assert (add.__name__, add.__qualname__, add.__module__, add.__doc__) == ("add", "add", __name__, "Adds.")
    assert repr(send) == "<job mail on queue 'emails'>"


def test_a_function_of_a_script_is_refused_with_the_advice() -> None:
    async def script() -> None: ...

    script.__module__, script.__qualname__ = "__main__", "script"
    with pytest.raises(RegistrationError, match=r"script is defined in a script run as __main__.*name="):
        job(script)
    assert job(name="script of a test")(script).name == "script of a test"


def test_a_function_inside_a_function_is_refused_with_the_advice() -> None:
    async def inner() -> None: ...

    with pytest.raises(RegistrationError, match=r"<locals>\.inner is defined inside a function.*name="):
        job(inner)
    assert job(name="inner of a test")(inner).name == "inner of a test"
    with pytest.raises(RegistrationError, match="lambda"):
        function_name(lambda: None)


def test_a_name_is_taken_once() -> None:
    async def other() -> None: ...

    names = Registry()
    names.add(definition(plain))
    with pytest.raises(RegistrationError, match=rf"'app\.f' is taken by {__name__}\.plain .*name= of its own"):
        names.add(definition(other))
    assert [each.function for each in names] == [plain]


def test_a_module_may_be_loaded_again() -> None:
    names = Registry()
    names.add(definition(plain))
    names.add(definition(plain)._replace(retries=9))
    found = names.get("app.f")
    assert found is not None
    assert found.retries == 9


def test_two_files_with_the_same_name_of_module_and_function_are_two_functions() -> None:
    code = "async def f() -> None: ..."
    one: dict[str, Any] = {"__name__": "app"}
    two: dict[str, Any] = {"__name__": "app"}
    exec(compile(code, "/one/app.py", "exec"), one)
    exec(compile(code, "/two/app.py", "exec"), two)
    names = Registry()
    names.add(definition(one["f"]))
    with pytest.raises(RegistrationError, match=r"is taken by app\.f \(/one/app\.py, line 1\)"):
        names.add(definition(two["f"]))


def test_an_async_generator_is_refused_as_one() -> None:
    async def counting() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(RegistrationError, match=r"a function that returns, and .*counting \(.*\) yields"):
        job(name="counting")(counting)


@pytest.mark.parametrize("wrong", [[plain], ["plain"], 5, [None]])
def test_what_is_no_call_is_refused_by_enqueue_many(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"enqueue_many takes calls, as in \[send\.call\(1\), send\.call\(2\)\], got"):
        asyncio.run(enqueue_many(wrong))


def test_a_partial_becomes_a_job_or_is_refused_as_one() -> None:
    try:
        made = job(name="partial of a test")(functools.partial(plain, 1))
    except RegistrationError:
        return
    assert made.name == "partial of a test"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": ""}, "a queue's name must have 1 to 63 bytes, got ''"),
        ({"queue": "ä" * 32}, "a queue's name must have 1 to 63 bytes, got 'ä"),
        ({"queue": "a\0"}, "a queue's name must have 1 to 63 bytes, got 'a"),
        ({"queue": 5}, "a queue's name must have 1 to 63 bytes, got 5"),
        ({"queue": "currant:x"}, "must not begin with 'currant:', which is reserved, got 'currant:x'"),
        ({"retries": -1}, "retries must be an integer of at least 0, got -1"),
        ({"retries": 1.5}, "retries must be an integer of at least 0, got 1.5"),
        ({"retries": True}, "retries must be an integer of at least 0, got True"),
        ({"retries": 2**31}, f"retries must be an integer of at least 0, got {2**31}"),
        ({"timeout": 0}, "timeout must be a number of seconds greater than 0, got 0"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds greater than 0, got nan"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds greater than 0, got inf"),
        ({"timeout": "5"}, "timeout must be a number of seconds greater than 0, got '5'"),
        ({"timeout": True}, "timeout must be a number of seconds greater than 0, got True"),
        ({"priority": 2**31}, f"priority must be an integer of 32 bits, got {2**31}"),
        ({"priority": "high"}, "priority must be an integer of 32 bits, got 'high'"),
    ],
)
def test_an_option_out_of_range_is_refused_by_its_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        job(name="options of a test", **options)(plain)
    assert message in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        add.options(**options)
    assert message in str(caught.value)
    assert registry.get("options of a test") is None


@pytest.mark.parametrize("name", ["", "a\0b", 5])
def test_a_name_that_cannot_be_stored_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="a job's name must be a string"):
        job(name=name)(plain)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_a_lone_surrogate_in_a_queue_or_a_name_is_refused_when_it_is_given(text: str) -> None:
    with pytest.raises(ConfigurationError):
        check_queue(text)
    with pytest.raises(ConfigurationError):
        job(name=text)(plain)


def test_a_queue_of_63_bytes_is_fine() -> None:
    assert check_queue("q" * 63) == "q" * 63


# The call


@in_loop
async def test_a_direct_call_runs_here_and_now() -> None:
    assert_type(await add(1), int)
    assert await add(1) == 11
    assert await add(1, b=2) == 3
    with pytest.raises(TypeError):
        await add("1", 2, 3)  # type: ignore[call-arg, arg-type]


def test_arguments_that_do_not_fit_are_refused_at_the_call_by_name() -> None:
    with pytest.raises(TypeError, match=rf"{__name__}\.add\(a: int, b: int = 10\) -> int: missing .*'a'"):
        add.call()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"add.*too many positional"):
        add.call(1, 2, 3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"add.*unexpected keyword argument 'c'"):
        add.call(1, c=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"add.*multiple values for argument 'a'"):
        add.call(1, a=3)  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"^mail\(.*missing .*'subject'"):
        send.call("a@b.c")  # type: ignore[call-arg]
    several.call()
    several.call(1, 2, 3)


def test_arguments_that_are_not_json_are_refused_at_the_call_by_name() -> None:
    with pytest.raises(NotJSON) as caught:
        several.call(1, {"a": {1, 2}})
    assert str(caught.value) == (
        f"{__name__}.several: argument `values[1]['a']` is of type set and would come back as list:"
        " annotate it as `set` (`values` is annotated as `Any`)"
    )
    with pytest.raises(NotJSON) as caught:
        send.call("x", subject=b"y")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "mail: argument `subject` is of type bytes and would come back as str:"
        " annotate it as `bytes` (`subject` is annotated as `str`)"
    )


def test_a_call_holds_the_row_to_be_written() -> None:
    assert send.call("x", subject="y", cc="z").execution == NewExecution(
        function="mail",
        queue="emails",
        priority=9,
        args=b'["x"]',
        kwargs=b'{"subject":"y","cc":"z"}',
        options=b'{"timeout":2.5}',
        max_retries=1,
        timeout_s=3,
    )
    assert add.call(1).execution == NewExecution(f"{__name__}.add", "default", 5, b"[1]", b"{}", b"{}", 3, None)


def test_options_change_what_is_enqueued_and_not_the_job() -> None:
    changed = add.options(queue="slow", retries=0, timeout=60, priority=1)
    assert isinstance(changed, Job)
    row = changed.call(1).execution
    assert (row.queue, row.max_retries, row.timeout_s, row.priority, row.options) == ("slow", 0, 60, 1, b"{}")
    row = add.call(1).execution
    assert (row.queue, row.max_retries, row.timeout_s, row.priority) == ("default", 3, None, 5)
    assert add.options(retries=0).options(priority=2).call(1).execution.max_retries == 0


# Enqueueing


@in_loop
async def test_queue_writes_one_row_and_returns_its_handle(backend: Recorder) -> None:
    handle = await add.queue(1, b=2)
    assert_type(handle, Handle[int])
    assert backend.rows == [(handle.id, add.call(1, b=2).execution)]


@in_loop
async def test_enqueue_many_writes_all_in_one_statement_in_their_order(backend: Recorder) -> None:
    calls = [*(add.call(number) for number in range(1000)), send.call("x", subject="y")]
    handles = await enqueue_many(calls)
    assert backend.statements == 1
    assert [id for id, _ in backend.rows] == [handle.id for handle in handles] == sorted(each.id for each in handles)
    assert [row for _, row in backend.rows] == [call.execution for call in calls]
    assert msgspec.json.decode(backend.rows[7][1].args) == [7]


@in_loop
async def test_nothing_is_written_when_the_arguments_do_not_fit(backend: Recorder) -> None:
    with pytest.raises(TypeError):
        await add.queue()  # type: ignore[call-arg]
    with pytest.raises(NotJSON):
        await several.queue(object())
    assert backend.statements == 0


@in_loop
async def test_without_a_database_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_default", [])
    monkeypatch.delenv("CURRANT_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="CURRANT_DATABASE_URL is not set"):
        await add.queue(1)


# The context


def test_current_is_for_code_that_runs_as_a_job() -> None:
    with pytest.raises(CurrantError, match="no execution runs here"):
        currant.current_execution()
    now = CurrentExecution("job_1", 1, 1, "app.f", "default")
    token = running.set(now)
    assert currant.current_execution() is now
    running.reset(token)

"""Payloads: what is accepted comes back as it was, and what is not is refused by name."""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import tracemalloc
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant import payload
from currant.errors import NotJSON, PayloadTooLarge


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    ANNA = "anna"


class Text(str):
    __slots__ = ()


class Count(int):
    pass


class Real(float):
    pass


@dataclasses.dataclass
class Point:
    x: int


Pair = collections.namedtuple("Pair", "a b")

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(_texts, inner),
    max_leaves=20,
)
_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner)
        | st.sets(st.integers())
    ),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """The value as JSON gives it back: tuples are lists."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def same(one: Any, other: Any) -> bool:
    """Equal in type too: True is not 1, and 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def refusal(value: Any) -> str:
    with pytest.raises(NotJSON) as caught:
        payload.encode(value, "app.f: args")
    return str(caught.value)


@given(_values)
def test_json_is_accepted_and_comes_back(value: Any) -> None:
    encoded = payload.encode(value, "x")
    assert same(json.loads(encoded), plain(value))
    assert same(msgspec.json.decode(encoded), plain(value))


def encoded_or_refused(value: Any) -> bytes | str:
    try:
        return payload.encode(value, "app.f: args")
    except NotJSON as error:
        return str(error)


@given(_anything)
def test_what_is_accepted_comes_back_and_the_rest_is_refused_by_name(value: Any) -> None:
    outcome = encoded_or_refused(value)
    if isinstance(outcome, str):
        assert outcome.startswith("app.f: args")
        outcome.encode()
    else:
        assert same(msgspec.json.decode(outcome), plain(value))
        assert b"\\u0000" not in outcome


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, math.nan], "app.f: args[1] is nan, which JSON cannot hold"),
        ({"a": [math.inf]}, "app.f: args['a'][0] is inf, which JSON cannot hold"),
        (-math.inf, "app.f: args is -inf, which JSON cannot hold"),
        (["a\0b"], "app.f: args[0] holds a NUL character, which Postgres cannot store"),
        ({"k": {"a\0": 1}}, "app.f: args['k'] holds a NUL character, which Postgres cannot store"),
        (["\ud800"], "app.f: args[0] holds a lone surrogate, which is not Unicode text"),
        ({"\udfff": 1}, "app.f: args holds a lone surrogate, which is not Unicode text"),
        ([{1: 2}], "app.f: args[0] has the key 1, and JSON's keys are strings"),
        ({None: 2}, "app.f: args has the key None, and JSON's keys are strings"),
        ({Name.ANNA: 2}, "app.f: args has the key <Name.ANNA: 'anna'>, and JSON's keys are strings"),
        ([b"x"], "app.f: args[0] is of type bytes, which is not JSON"),
        ([{1, 2}], "app.f: args[0] is of type set, which is not JSON"),
        ([datetime.date(2026, 1, 1)], "app.f: args[0] is of type datetime.date, which is not JSON"),
        ({"to": decimal.Decimal(1)}, "app.f: args['to'] is of type decimal.Decimal, which is not JSON"),
        ([uuid.UUID(int=1)], "app.f: args[0] is of type uuid.UUID, which is not JSON"),
        (object(), "app.f: args is of type object, which is not JSON"),
    ],
)
def test_what_would_change_on_its_way_is_refused_by_its_path(value: Any, message: str) -> None:
    assert refusal(value) == message


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Level.LOW,
        Name.ANNA,
        Text("x"),
        Count(1),
        Real(1.0),
        Point(1),
        Pair(1, 2),
        collections.OrderedDict(a=1),
        collections.defaultdict(int),
        bytearray(b"x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_would_come_back_as_another_type_and_is_refused(value: Any) -> None:
    message = refusal({"a": [value]})
    assert message.startswith("app.f: args['a'][0] is of type ")
    assert type(value).__name__ in message


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**4000])
def test_a_large_integer_comes_back(value: int) -> None:
    assert msgspec.json.decode(payload.encode([value], "x")) == [value]


def test_an_integer_that_python_will_not_write_out_is_refused_by_name() -> None:
    assert refusal([10**5000]).startswith("app.f: args cannot be written as JSON: ")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_has_a_limit() -> None:
    assert json.loads(payload.encode(nested(150), "x")) == nested(150)
    assert refusal(nested(100_000)) == "app.f: args is nested too deeply, or holds itself"


def test_what_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append({"again": circle})
    assert refusal(circle) == "app.f: args is nested too deeply, or holds itself"


def test_the_same_object_twice_is_no_circle() -> None:
    shared = [1]
    assert payload.encode([shared, shared], "x") == b"[[1],[1]]"


def test_a_size_at_the_limit_passes_and_one_more_byte_is_refused_by_name() -> None:
    payload.check_size(1024, 1024, "app.f: args and kwargs")
    with pytest.raises(PayloadTooLarge) as caught:
        payload.check_size(1025, 1024, "app.f: args and kwargs")
    message = str(caught.value)
    assert message.startswith(
        "app.f: args and kwargs: 1025 bytes of JSON are more than CURRANT_PAYLOAD_BYTES_MAX, 1024"
    )


# The least size


@given(_values)
def test_the_least_size_is_never_more_than_the_json_takes(value: Any) -> None:
    assert payload.least_size(value, 1 << 40) <= len(payload.encode(value, "it"))


@pytest.mark.parametrize(
    "value",
    [
        "x" * 5_000,
        bytes(5_000),
        ["x" * 1_000] * 5,
        {"a": [{"b": "x" * 100}] * 50},
        [0] * 3_000,
        [[]] * 3_000,
        {"x" * 5_000: 1},
    ],
    ids=["text", "bytes", "texts", "nested", "numbers", "lists", "key"],
)
def test_what_is_too_large_is_found_without_writing_it(value: Any) -> None:
    assert payload.least_size(value, 4_000) > 4_000


def test_a_gigabyte_is_measured_without_a_copy() -> None:
    tracemalloc.start()
    value = [["x" * (1 << 20)] * 1024]
    before = tracemalloc.get_traced_memory()[0]
    assert payload.least_size(value, 1 << 20) > 1 << 20
    assert tracemalloc.get_traced_memory()[1] - before < 100_000
    tracemalloc.stop()


def test_what_holds_itself_has_no_size() -> None:
    value: list[Any] = []
    value.append(value)
    assert payload.least_size(value, 1 << 20) == 0
    assert payload.least_size(object(), 1) == 0

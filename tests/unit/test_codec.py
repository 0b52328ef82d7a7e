"""The codec: what an annotation describes comes back as it was, and what does not fit is refused in words."""

import collections
import dataclasses
import datetime
import decimal
import functools
import json
import math
import subprocess
import sys
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, TypeVar

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.codec import Codec
from currant.difference import difference
from currant.errors import DoesNotFit, NotJSON, PayloadError, RegistrationError
from tests.unit.typed_values import (
    Account,
    Broken,
    Cat,
    Color,
    Dog,
    Doubled,
    Draft,
    Explosive,
    Flags,
    Foreign,
    Holder,
    Level,
    Line,
    Mixed,
    Order,
    Pair,
    Person,
    Point,
    Savings,
    StrictDay,
    Text,
    Unequal,
    Vault,
)

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

T = TypeVar("T")
UserId = NewType("UserId", int)
ID = uuid.UUID("018f0000-0000-7000-8000-000000000001")
DAY = datetime.date(2026, 10, 25)
NOON = datetime.datetime(2026, 10, 25, 12, 0, 0, 123456)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# 2:30 came twice that night; this is the second one.
TWICE = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
MISSING = object()


def as_jsonb(body: bytes) -> bytes:
    """JSON as jsonb gives it back: keys sorted by length, spaces, numbers in digits."""
    return _jsonb(json.loads(body, parse_float=decimal.Decimal)).encode()


def _jsonb(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_jsonb(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_jsonb, value)) + "]"
    return format(value, "f") if isinstance(value, decimal.Decimal) else json.dumps(value, ensure_ascii=False)


def taking(annotation: Any) -> Codec:
    """The codec of a function with one parameter, `x`, and a result of the same annotation."""

    async def function(x): ...  # type: ignore[no-untyped-def]

    if annotation is not MISSING:
        function.__annotations__ = {"x": annotation, "return": annotation}
    return Codec(function, "app.f")


def there_and_back(value: Any, annotation: Any) -> Any:
    """The value as it comes back as a positional argument; as a named one and as a result it must be the same."""
    codec = taking(annotation)
    (one,), nothing = codec.decode_arguments(*map(as_jsonb, codec.encode_arguments((value,), {})))
    empty, named = codec.decode_arguments(*map(as_jsonb, codec.encode_arguments((), {"x": value})))
    result = codec.decode_result(as_jsonb(codec.encode_result(value)))
    assert (nothing, empty, list(named)) == ({}, [], ["x"])
    assert difference(one, named["x"]) is None
    assert difference(one, result) is None
    return one


def refusal(value: Any, annotation: Any = MISSING) -> str:
    with pytest.raises(NotJSON) as caught:
        taking(annotation).encode_arguments((value,), {})
    return str(caught.value)


def misfit(body: str, annotation: Any) -> str:
    with pytest.raises(DoesNotFit) as caught:
        taking(annotation).decode_arguments(f"[{body}]".encode(), b"{}")
    return str(caught.value)


ACCOUNT = Account(id=ID, opened=NOON, limit=decimal.Decimal("1.50"), eMail="ada@example.org")
STRICT = StrictDay(day=DAY, count=2)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (NOON, datetime.datetime),
        (NOON.replace(tzinfo=datetime.UTC), datetime.datetime),
        (NOON.replace(tzinfo=BERLIN), datetime.datetime),
        (datetime.datetime.max, datetime.datetime),
        (DAY, datetime.date),
        (DAY, typing.Optional[datetime.date]),  # noqa: UP045
        (None, datetime.date | None),
        (datetime.time(1, 2, 3, 4), datetime.time),
        (datetime.time(1, 2, tzinfo=datetime.UTC), datetime.time),
        (datetime.timedelta(days=-2, microseconds=1), datetime.timedelta),
        (decimal.Decimal("1.10"), decimal.Decimal),
        (decimal.Decimal("NaN"), decimal.Decimal),
        (decimal.Decimal("1E+400"), decimal.Decimal | int),
        (ID, uuid.UUID),
        (b"\0\xff", bytes),
        (Color.BLUE, Color),
        (Level.LOW, Level),
        (Flags.READ | Flags.WRITE, Flags),
        ((1, "a"), tuple[int, str]),
        ((ID,), tuple[uuid.UUID, ...]),
        ((1, 2), tuple),
        ({1, 2}, set[int]),
        (frozenset({DAY}), frozenset[datetime.date]),
        ([ID], list[uuid.UUID]),
        ([ID], Sequence[uuid.UUID]),
        ({"a": decimal.Decimal("0.1")}, dict[str, decimal.Decimal]),
        ({"a": decimal.Decimal("0.1")}, Mapping[str, decimal.Decimal]),
        ({1: ID}, dict[int, uuid.UUID]),
        ({Color.RED: DAY}, dict[Color, datetime.date]),
        (Point(1, 2.5), Point),
        (Point(1, 1e17), Point),
        (Line(Point(1), [Point(2, 3.0)], DAY), Line),
        (Unequal([1, "a"]), Unequal),
        ({"name": "Ada", "born": DAY}, Person),
        (Pair(ID, 1), Pair),
        (Order(ID, decimal.Decimal("9.90"), Color.BLUE), Order),
        (Cat(9), Cat | Dog),
        (Dog({"sit"}), Cat | Dog | None),
        (ACCOUNT, Account),
        ([ACCOUNT, None], list[Account | None]),
        (STRICT, StrictDay),
        (Holder(ACCOUNT, {"a": STRICT}), Holder),
        ("b", Literal["a", "b", 3]),
        (True, Literal[True]),
        (5, UserId),
        (5, Annotated[int, msgspec.Meta(ge=0)]),
        (ID, "uuid.UUID"),
        ([ID], list["uuid.UUID"]),
        (1e16, float),
        ([1e300, -1e16, 5e-324], list[float]),
        (10**40, int),
    ],
    ids=repr,
)
def test_what_the_annotation_describes_comes_back_as_it_was(value: Any, annotation: Any) -> None:
    back = there_and_back(value, annotation)
    assert type(back) is type(value)
    assert difference(value, back) is None
    if type(value) not in (Unequal, decimal.Decimal):
        assert back == value


def test_an_hour_that_comes_twice_comes_back_as_the_same_instant() -> None:
    back = there_and_back(TWICE, datetime.datetime)
    assert back.utcoffset() == TWICE.utcoffset()
    assert back.timestamp() == TWICE.timestamp()


def test_an_integer_for_a_float_comes_back_as_a_float() -> None:
    assert type(there_and_back(3, float)) is float
    assert type(there_and_back([Point(1, 2)], list[Point])[0].y) is float


def test_a_model_may_be_given_as_plain_json() -> None:
    assert there_and_back({"x": 1}, Point) == Point(1)
    assert there_and_back({"day": "2026-10-25", "count": 2}, StrictDay) == STRICT
    assert there_and_back(str(ID), uuid.UUID) == ID


def test_plain_tuples_come_back_as_lists_where_nothing_says_otherwise() -> None:
    assert there_and_back((1, (2,)), MISSING) == [1, [2]]
    assert there_and_back({"a": (1,)}, dict[str, Any]) == {"a": [1]}


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_floats = st.floats(allow_nan=False, allow_infinity=False)
_zones = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
_points = st.builds(Point, st.integers(), _floats)
_typed: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (datetime.datetime, st.datetimes(timezones=_zones)),
    (datetime.date, st.dates()),
    (datetime.time, st.times(timezones=_zones)),
    (datetime.timedelta, st.timedeltas()),
    (decimal.Decimal, st.decimals()),
    (uuid.UUID, st.uuids()),
    (bytes, st.binary()),
    (float, _floats),
    (Color, st.sampled_from(Color)),
    (Point, _points),
    (Line, st.builds(Line, _points, st.lists(_points), st.none() | st.dates())),
    (Person, st.fixed_dictionaries({}, optional={"name": _texts, "born": st.dates()})),
    (Order, st.builds(Order, st.uuids(), st.decimals(allow_nan=False), st.sampled_from(Color))),
    (Cat | Dog, st.builds(Cat, st.integers()) | st.builds(Dog, st.sets(_texts))),
    (dict[datetime.date, list[set[int]]], st.dictionaries(st.dates(), st.lists(st.sets(st.integers())))),
    (tuple[frozenset[uuid.UUID], bytes | None], st.tuples(st.frozensets(st.uuids()), st.none() | st.binary())),
    (
        Account,
        st.builds(
            Account,
            id=st.uuids(),
            opened=st.datetimes(timezones=_zones),
            limit=st.decimals(allow_nan=False, allow_infinity=False),
            eMail=_texts,
        ),
    ),
]


@given(st.sampled_from(_typed).flatmap(lambda each: st.tuples(st.just(each[0]), each[1])))
def test_any_value_of_a_type_comes_back(case: tuple[Any, Any]) -> None:
    annotation, value = case
    back = there_and_back(value, annotation)
    assert difference(value, back) is None
    assert isinstance(value, decimal.Decimal) or back == value


def converted(value: Any, annotation: Any) -> Any:
    """The value as it comes back, or the refusal's text."""
    codec = taking(annotation)
    try:
        args, kwargs = codec.encode_arguments((value,), {})
        return codec.decode_arguments(as_jsonb(args), kwargs)[0][0]
    except PayloadError as error:
        return error


@given(st.sampled_from(_typed).flatmap(lambda each: each[1]), st.sampled_from(_typed))
def test_a_value_of_another_type_comes_back_or_is_refused_by_name(value: Any, other: tuple[Any, Any]) -> None:
    back = converted(value, other[0])
    if isinstance(back, NotJSON):
        assert str(back).startswith("app.f: argument `x")
    elif isinstance(back, DoesNotFit):
        # Only plain JSON is stored without a look at the annotation.
        assert str(back).startswith("argument `x`: ")
        assert type(value) in (float, dict)
    else:
        assert difference(value, back) is None or type(value) in (float, dict)


def test_they_come_back_from_postgres(url: str) -> None:
    async def function(
        when: datetime.datetime, far: float, line: Line, *rest: decimal.Decimal, who: Account, **others: uuid.UUID
    ) -> dict[datetime.date, set[Color]]:
        return {}

    codec = Codec(function, "app.f")
    args = (NOON, 1e300, Line(Point(1, 1e16), [], DAY), decimal.Decimal("1.10"), decimal.Decimal("2E+3"))
    kwargs = {"who": ACCOUNT, "b": ID, "another": ID}
    result = {DAY: {Color.RED, Color.BLUE}}
    bodies = [*codec.encode_arguments(args, kwargs), codec.encode_result(result)]
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT %s::jsonb::text, %s::jsonb::text, %s::jsonb::text", [b.decode() for b in bodies]
        )
        stored_args, stored_kwargs, stored_result = (text.encode() for text in row.fetchone() or ())
    assert b'"b": ' in stored_kwargs
    assert b"1e" not in stored_args
    assert stored_kwargs == as_jsonb(bodies[1])
    back_args, back_kwargs = codec.decode_arguments(stored_args, stored_kwargs)
    assert difference(args, tuple(back_args)) is None
    assert difference(kwargs, back_kwargs) is None
    assert difference(result, codec.decode_result(stored_result)) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            NOON,
            "app.f: argument `x` is of type datetime.datetime and would come back as str:"
            " annotate it as `datetime.datetime` (`x` has no annotation)",
        ),
        (
            {"a": [1, ID]},
            "app.f: argument `x['a'][1]` is of type uuid.UUID and would come back as str:"
            " annotate it as `uuid.UUID` (`x` has no annotation)",
        ),
        (
            {1, 2},
            "app.f: argument `x` is of type set and would come back as list:"
            " annotate it as `set` (`x` has no annotation)",
        ),
        (Level.LOW, "app.f: argument `x` is of type tests.unit.typed_values.Level and would come back as int"),
        (Pair(ID), "app.f: argument `x` is of type tests.unit.typed_values.Pair and would come back as "),
        (
            {1: 2},
            "app.f: argument `x` holds a key of type int that would come back as another: annotate its keys as `int`",
        ),
        ({None: 2}, "app.f: argument `x` has the key None, and JSON's keys are strings"),
        (Foreign(), "app.f: argument `x` is of type tests.unit.typed_values.Foreign, which is not JSON"),
        ([Foreign()], "app.f: argument `x[0]` is of type tests.unit.typed_values.Foreign, which is not JSON"),
        (Unequal(Foreign()), "app.f: argument `x` holds a value of type tests.unit.typed_values.Foreign, which is not"),
        (Text("a"), "app.f: argument `x` is of type tests.unit.typed_values.Text, which is not JSON"),
        (collections.OrderedDict(a=1), "app.f: argument `x` is of type collections.OrderedDict, which is not JSON and"),
        (1j, "app.f: argument `x` is of type complex, which is not JSON"),
        ([math.nan], "app.f: argument `x[0]` is nan, which JSON cannot hold"),
        ("a\0", "app.f: argument `x` holds a NUL character, which Postgres cannot store"),
        ({"a\0": 1}, "app.f: argument `x` holds a NUL character, which Postgres cannot store"),
        (10**5000, "app.f: args cannot be written as JSON: "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_refused_by_name(value: Any, message: str) -> None:
    assert refusal(value).startswith(message)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (NOON, int, "app.f: argument `x` does not fit (`x` is annotated as `int`): Expected `int`, got `str`"),
        (NOON, str, "app.f: argument `x` is of type datetime.datetime and would come back as str"),
        ([ID], list, "app.f: argument `x[0]` is of type uuid.UUID and would come back as str"),
        ({1}, list[int], "app.f: argument `x` is of type set and would come back as list"),
        ({1}, frozenset[int], "app.f: argument `x` is of type set and would come back as frozenset"),
        ({True}, set, None),
        ({Level.LOW}, set[int], "app.f: argument `x` holds a member of type tests.unit.typed_values.Level that would"),
        (
            {Level.LOW: ID},
            dict[int, uuid.UUID],
            "app.f: argument `x` holds a key of type tests.unit.typed_values.Level",
        ),
        (Unequal(DAY), Unequal, "app.f: argument `x.anything` is of type datetime.date and would come back as str"),
        (Point(math.inf), Point, "app.f: argument `x['x']` is inf, which JSON cannot hold"),  # type: ignore[arg-type]
        (Broken.NUL, Broken, "app.f: argument `x` holds a NUL character, which Postgres cannot store"),
        ({"name": "\ud800", "born": DAY}, Person, "app.f: argument `x['name']` holds a lone surrogate"),
        ({"a\0": ID}, dict[str, uuid.UUID], "app.f: argument `x` holds a NUL character"),
        (Account(id=ID, opened=NOON, eMail="\0"), Account, "app.f: argument `x['eMail']` holds a NUL character"),
        (
            Savings(id=ID, opened=NOON),
            Account,
            "app.f: argument `x` is of type tests.unit.typed_values.Savings and would",
        ),
        (Vault(key="secret"), Vault, "app.f: argument `x.key` is of type pydantic.types.SecretStr and would come back"),  # type: ignore[arg-type]
        (Foreign(), Foreign, "app.f: argument `x` is of type tests.unit.typed_values.Foreign, which is not JSON"),
        (datetime.time(1, tzinfo=BERLIN), datetime.time, "app.f: argument `x` is of type datetime.time and would come"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_its_annotation_would_change_is_refused_by_name(value: Any, annotation: Any, message: str | None) -> None:
    if message is None:
        assert difference(value, there_and_back(value, annotation)) is None
    else:
        assert refusal(value, annotation).startswith(message)


def test_a_class_that_makes_something_else_of_its_fields_is_refused() -> None:
    assert refusal(Doubled(1), Doubled) == (
        "app.f: argument `x.x` is of type int and would come back with another value"
        " (`x` is annotated as `tests.unit.typed_values.Doubled`)"
    )
    assert refusal(Draft(text="a", words=1), Draft).startswith("app.f: argument `x.words` is of type int and would")
    assert there_and_back(Draft(text="a"), Draft) == Draft(text="a")


@pytest.mark.filterwarnings("error")
def test_a_model_that_holds_what_it_never_validated_is_refused_without_a_warning() -> None:
    value = Account(id=ID, opened=NOON)
    value.opened = DAY  # type: ignore[assignment]
    assert refusal(value, Account).startswith("app.f: argument `x")


def test_what_holds_itself_is_refused() -> None:
    circle = Unequal(1)
    circle.anything = circle
    assert refusal(circle, Unequal) == "app.f: argument `x` is nested too deeply, or holds itself"


@pytest.mark.parametrize(
    ("body", "annotation", "message"),
    [
        ("1", datetime.datetime, "argument `x`: Expected `datetime`, got `int`"),
        ('"1"', int, "argument `x`: Expected `int`, got `str`"),
        ("true", int, "argument `x`: Expected `int`, got `bool`"),
        ("true", float, "argument `x`: Expected `float`, got `bool`"),
        ("1", bool, "argument `x`: Expected `bool`, got `int`"),
        ("1.5", int, "argument `x`: Expected `int`, got `float`"),
        ("null", int, "argument `x`: Expected `int`, got `null`"),
        ('"x"', uuid.UUID, "argument `x`: Invalid UUID"),
        ('"green"', Color, "argument `x`: Invalid enum value 'green'"),
        ("-1", Annotated[int, msgspec.Meta(ge=0)], "argument `x`: Expected `int` >= 0"),
        ("{}", Point, "argument `x`: Object missing required field `x`"),
        ('[{"x": "1"}]', list[Point], "argument `x`: Expected `int`, got `str` - at `$[0].x`"),
        ('{"born": 1}', Person, "argument `x`: Expected `date`, got `int` - at `$.born`"),
        ('{"x": 10}', Explosive, "argument `x`: KeyError: 'too much'"),
        ('{"day": "2026-10-25", "count": "2"}', StrictDay, "argument `x`: count: Input should be a valid integer"),
        (
            '{"a": {"day": 1, "more": 1}}',
            dict[str, StrictDay],
            "argument `x`: day: Input should be a valid date; count: Field required;"
            " more: Extra inputs are not permitted - at `$[...]`",
        ),
        (
            '{"a": 1}',
            Foreign,
            "argument `x`: Expected `tests.unit.typed_values.Foreign`, which JSON cannot hold, got `dict`",
        ),
        ("1" + "0" * 400, float, "argument `x`: Number out of range"),
    ],
)
def test_what_does_not_fit_is_told_in_words(body: str, annotation: Any, message: str) -> None:
    assert misfit(body, annotation) == message
    with pytest.raises(DoesNotFit) as caught:
        taking(annotation).decode_result(body.encode())
    assert str(caught.value) == message.replace("argument `x`", "the result of app.f")
    assert isinstance(caught.value, PayloadError)


def test_every_argument_is_converted_by_its_own_parameter() -> None:
    async def function(a: uuid.UUID, /, b, *rest: datetime.date, c: Color = Color.RED, **others: bytes) -> None: ...  # type: ignore[no-untyped-def]

    codec = Codec(function, "app.f")
    args, kwargs = (ID, 1, DAY, DAY), {"c": Color.BLUE, "a": b"x"}
    assert codec.decode_arguments(*codec.encode_arguments(args, kwargs)) == (list(args), kwargs)
    with pytest.raises(DoesNotFit, match=r"^argument `rest\[1\]`: Expected `date`, got `int`$"):
        codec.decode_arguments(b'["018f0000-0000-7000-8000-000000000001", 1, "2026-10-25", 5]', b"{}")
    with pytest.raises(DoesNotFit, match=r"^argument `a`: Expected `bytes`, got `int`$"):
        codec.decode_arguments(b"[]", b'{"a": 5}')
    with pytest.raises(NotJSON, match=r"^app.f: argument `rest\[1\]` does not fit"):
        codec.encode_arguments((ID, 1, DAY, ID), {})
    with pytest.raises(NotJSON, match=r"^app.f: argument `b` is of type uuid.UUID"):
        codec.encode_arguments((ID,), {"b": ID})


def test_arguments_that_no_parameter_takes_are_left_to_the_call() -> None:
    codec = taking(datetime.date)
    assert codec.decode_arguments(b'["2026-10-25", [1], "a"]', b'{"y": {"a": 1}}') == ([DAY, [1], "a"], {"y": {"a": 1}})
    assert codec.decode_arguments(b"[]", b"{}") == ([], {})
    with pytest.raises(NotJSON, match=r"^app.f: argument `args\[0\]` is of type datetime.date .*no parameter takes it"):
        codec.encode_arguments((DAY, DAY), {})


@pytest.mark.parametrize("annotation", [MISSING, int])
@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        (b"1", b"{}", DoesNotFit, "args must be a JSON array, got a number"),
        (b"[]", b"[]", DoesNotFit, "kwargs must be a JSON object, got an array"),
        (b"null", b"{}", DoesNotFit, "args must be a JSON array, got null"),
        (b"[", b"{}", NotJSON, "args cannot be read as JSON: Input data was truncated"),
        (b"[]", b"", NotJSON, "kwargs cannot be read as JSON: Input data was truncated"),
    ],
)
def test_what_is_no_array_and_object_is_told_as_that(
    annotation: Any, args: bytes, kwargs: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        taking(annotation).decode_arguments(args, kwargs)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "annotation", [MISSING, Any, object, T, "T", "Unknown", "no type", typing.SupportsInt, typing.NoReturn]
)
def test_an_annotation_that_says_nothing_checks_nothing(annotation: Any) -> None:
    assert there_and_back({"a": [1, None]}, annotation) == {"a": [1, None]}


@pytest.mark.parametrize("annotation", [list[T], Hashable, Iterable[int], list[typing.AnyStr]])  # type: ignore[valid-type]
def test_what_an_annotation_leaves_open_is_taken(annotation: Any) -> None:
    assert there_and_back(["a"] if annotation is not Hashable else "a", annotation) in (["a"], "a")


def test_one_annotation_that_cannot_be_resolved_takes_no_other_with_it() -> None:
    async def function(a: "Unknown", b: "datetime.date", c: "list[Unknown]" = []) -> "Unknown": ...  # noqa: B006

    codec = Codec(function, "app.f")
    assert codec.decode_arguments(b'[1, "2026-10-25", [2]]', b"{}") == ([1, DAY, [2]], {})
    with pytest.raises(
        NotJSON, match=r"annotate it as `datetime.date` \(the annotation of `a` cannot be resolved: name 'Unknown'"
    ):
        codec.encode_arguments((DAY, DAY), {})


def test_a_class_whose_own_annotations_cannot_be_resolved_checks_nothing() -> None:
    @dataclasses.dataclass
    class Late:
        x: "Unknown"

    assert there_and_back({"x": 1}, Late) == {"x": 1}
    assert refusal(Late(DAY), Late).endswith("which cannot be resolved: name 'Unknown' is not defined)")


def test_a_default_of_none_fits() -> None:
    async def function(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    codec = Codec(function, "app.f")
    assert codec.decode_arguments(b"[null]", b"{}") == ([None], {})
    with pytest.raises(DoesNotFit, match=r"Expected `int \| null`, got `str`"):
        codec.decode_arguments(b'["a"]', b"{}")


def test_a_wrapper_has_the_annotations_of_what_it_wraps() -> None:
    def decorated(inner: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inner)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await inner(*args, **kwargs)

        return wrapper

    @decorated
    async def function(x: datetime.date) -> uuid.UUID:
        return ID

    codec = Codec(function, "app.f")
    assert codec.decode_arguments(b'["2026-10-25"]', b"{}") == ([DAY], {})
    assert codec.decode_result(codec.encode_result(ID)) == ID


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Point | Line, "may not contain more than one dataclass"),
        (str | uuid.UUID, "may not contain more than one str-like type"),
        (Account | StrictDay, "Type unions may not contain a custom type"),
        (Mixed, "Enums must contain either all str or all int values"),
    ],
)
def test_an_annotation_that_cannot_be_told_from_json_is_refused_when_prepared(annotation: Any, why: str) -> None:
    codec = taking(annotation)
    codec.encode_arguments(({"plain": 1},), {})
    for _ in range(2):
        with pytest.raises(RegistrationError) as caught:
            codec.prepare()
        assert str(caught.value).startswith("app.f: parameter `x` is annotated as `")
        assert "annotate it with types that differ in JSON" in str(caught.value)


def test_an_annotation_of_the_result_is_named_as_that() -> None:
    async def function() -> Point | Line:
        return Point(1)

    with pytest.raises(
        RegistrationError, match=r"^app.f: the result is annotated as `tests.unit.typed_values.Point \|"
    ):
        Codec(function, "app.f").prepare()


def test_a_result_is_refused_by_name() -> None:
    with pytest.raises(NotJSON) as caught:
        taking(MISSING).encode_result({"a": DAY})
    assert str(caught.value) == (
        "the result of app.f['a'] is of type datetime.date and would come back as str:"
        " annotate it as `datetime.date` (the result has no annotation)"
    )
    assert taking(int).encode_result(None) == b"null"


def test_nothing_is_resolved_before_it_is_needed_and_then_once() -> None:
    codec = taking(Point | Line)
    assert codec.encode_arguments((1,), {}) == (b"[1]", b"{}")
    prepared = taking(Point)
    prepared.prepare()
    plan = prepared._known
    prepared.prepare()
    assert prepared._known is plan is not None


def test_pydantic_is_not_imported_by_us() -> None:
    program = (
        "import sys, datetime\nfrom currant.codec import Codec\n"
        "async def f(x: datetime.date): ...\n"
        "c = Codec(f, 'f')\nassert c.decode_arguments(*c.encode_arguments((datetime.date.min,), {}))[0]\n"
        "try: c.encode_arguments((object(),), {})\n"
        "except Exception as e: print(type(e).__name__, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "NotJSON False\n"

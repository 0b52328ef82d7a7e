"""What a value would lose on its way through JSON: the value that was given next to the one that would come back."""

import dataclasses
import datetime
import decimal
import enum
import sys
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from currant.payload import kind_name

_COME_BACK = frozenset(
    {
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
        bytes,
        bytearray,
        set,
        frozenset,
    }
)
_ABSENT = object()


class Difference(NamedTuple):
    """Where two values differ, and in what, in words."""

    path: str
    says: str


def difference(sent: Any, back: Any, path: str = "") -> Difference | None:
    """Returns the first difference of two values, or None. Types count: True is not 1, and a subclass is another type.

    Two are allowed, as plain JSON has them too: a tuple comes back as a list, and an equal float for an integer.
    """
    if type(sent) is not type(back) and not _is_allowed(sent, back):
        return Difference(path, _other_type(type(sent), type(back)))
    if isinstance(sent, dict):
        return _of_mappings(sent, back, path)
    if isinstance(sent, list | tuple):
        return _of_sequences(sent, back, path)
    if isinstance(sent, set | frozenset):
        return _of_keys(sent, back, path, "member")
    names = _field_names(sent)
    if names is not None:
        return _of_fields(sent, back, names, path)
    return None if _is_equal(sent, back) else Difference(path, _other_value(type(sent)))


def is_model(kind: Any) -> bool:
    """Tells whether it is a class of pydantic's models, which it can be only where pydantic was imported already."""
    main = sys.modules.get("pydantic.main")
    base = getattr(main, "BaseModel", None)
    # Version 1 has no such method.
    return base is not None and isinstance(kind, type) and issubclass(kind, base) and hasattr(base, "model_fields")


def _is_allowed(sent: Any, back: Any) -> bool:
    if type(sent) is tuple:
        return type(back) is list
    return type(sent) is int and type(back) is float and sent == back


def _of_mappings(sent: dict[Any, Any], back: dict[Any, Any], path: str) -> Difference | None:
    found = _of_keys(sent, back, path, "key")
    if found is not None:
        return found
    for key, value in sent.items():
        found = difference(value, back[key], f"{path}[{key!r}]")
        if found is not None:
            return found
    return None


def _of_keys(sent: Iterable[Any], back: Iterable[Any], path: str, what: str) -> Difference | None:
    kept = {key: key for key in back}
    for key in sent:
        if key not in kept or difference(key, kept[key]) is not None:
            kind = kind_name(type(key))
            says = f"holds a {what} of type {kind} that would come back as another: annotate its {what}s as `{kind}`"
            return Difference(path, says)
    return None


def _of_sequences(sent: Sequence[Any], back: Sequence[Any], path: str) -> Difference | None:
    if len(sent) != len(back):
        return Difference(path, _other_value(type(sent)))
    for index, (one, other) in enumerate(zip(sent, back, strict=True)):
        found = difference(one, other, f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _of_fields(sent: Any, back: Any, names: Iterable[str], path: str) -> Difference | None:
    # Not by `==`, which can leave fields out, and takes True for 1.
    for name in names:
        found = difference(getattr(sent, name, _ABSENT), getattr(back, name, _ABSENT), f"{path}.{name}")
        if found is not None:
            return found
    return None


def _field_names(value: Any) -> Iterable[str] | None:
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if is_model(kind):
        return [*kind.model_fields, "__pydantic_extra__"]
    return None


def _is_equal(sent: Any, back: Any) -> bool:
    try:
        if isinstance(sent, decimal.Decimal):
            # As digits: NaN is no NaN's equal, and 1.0 has lost a digit of 1.00.
            return bool(sent.as_tuple() == back.as_tuple())
        if isinstance(sent, datetime.datetime | datetime.time) and (sent.tzinfo is None) != (back.tzinfo is None):
            return False
        return bool(sent == back) or _is_same_instant(sent, back)
    except Exception:
        # The classes are the user's, and so is their `==`.
        return False


def _is_same_instant(sent: Any, back: Any) -> bool:
    """An hour that a clock shows twice is never equal to the same instant in another zone (PEP 495)."""
    if not isinstance(sent, datetime.datetime) or sent.tzinfo is None:
        return False
    return bool(sent.astimezone(datetime.UTC) == back.astimezone(datetime.UTC))


def _other_type(sent: type, back: type) -> str:
    if not _can_come_back(sent):
        return f"is of type {kind_name(sent)}, which is not JSON and would come back as {kind_name(back)}"
    return f"is of type {kind_name(sent)} and would come back as {kind_name(back)}: annotate it as `{kind_name(sent)}`"


def _other_value(kind: type) -> str:
    return f"is of type {kind_name(kind)} and would come back with another value"


def _can_come_back(kind: type) -> bool:
    return (
        kind in _COME_BACK
        or issubclass(kind, enum.Enum | msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
        or is_model(kind)
    )

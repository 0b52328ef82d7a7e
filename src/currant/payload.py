"""Arguments and results as JSON that jsonb can hold. Strict: what would lose its value on its way is refused by name.

Two things come back equal but not the same: a tuple as a list, and a float of 1e16 or more, which has no fraction, as
an integer (jsonb writes it out in digits).
"""

import math
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from currant.errors import NotJSON, PayloadTooLarge

_encode = msgspec.json.Encoder().encode
_PLAIN = frozenset({bool, int, type(None)})
_CONTAINERS = frozenset({list, tuple, dict})
#: What is written out with a character for each of its own at least.
_TEXTS = frozenset({str, bytes, bytearray})
_DEPTH_MAX = 200


class Problem(NamedTuple):
    """What is wrong with a value: where in it, in words, and the type that is not JSON if it is that."""

    path: str
    says: str
    kind: type | None = None


def encode(value: Any, what: str) -> bytes:
    """Returns `value` as JSON.

    Args:
        value: dicts with string keys, lists, tuples (they come back as lists), strings, finite numbers, booleans, None.
        what: how an error names the value, e.g. `the result of app.add`.

    Raises:
        NotJSON: it holds something else, NaN or an infinity, a NUL character or a lone surrogate, or refers to itself.
    """
    found = _problem(value, "", 0)
    if found is not None:
        raise NotJSON(f"{what}{found.path} {found.says}")
    try:
        return _encode(value)
    except (OverflowError, ValueError, TypeError, RecursionError) as error:
        raise NotJSON(f"{what} cannot be written as JSON: {error}") from None


def problem(value: Any) -> Problem | None:
    """Returns what `encode` would refuse `value` for, or None."""
    return _problem(value, "", 0)


def kind_name(kind: type) -> str:
    """Returns a type's full name for messages, a builtin's without its module."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def check_size(size: int, bytes_max: int, what: str) -> None:
    """Raises PayloadTooLarge when `size` bytes of JSON are more than the limit."""
    if size > bytes_max:
        raise PayloadTooLarge(
            f"{what}: {size} bytes of JSON are more than CURRANT_PAYLOAD_BYTES_MAX, {bytes_max};"
            " store the data elsewhere and pass a reference, or raise the limit"
        )


def least_size(value: Any, enough: int) -> int:
    """Returns a number of bytes that the value's JSON has at least; it is not looked for beyond `enough`.

    Cheap: nothing is copied, and what cannot be JSON counts little.
    """
    if type(value) not in _CONTAINERS:
        return _least_size_alone(value)
    size, ahead = 0, [(value, 0)]
    while ahead and size <= enough:
        current, depth = ahead.pop()
        if depth > _DEPTH_MAX:
            # It holds itself, perhaps: `encode` says so.
            return 0
        # Each item takes a byte at least, and a comma or a bracket.
        size += 2 * len(current)
        if size > enough:
            break
        for item in chain(current, current.values()) if type(current) is dict else current:
            if type(item) in _CONTAINERS:
                ahead.append((item, depth + 1))
            elif type(item) in _TEXTS:
                size += len(item)
    return size


def _least_size_alone(value: Any) -> int:
    return len(value) + 2 if type(value) in _TEXTS else 0


def _problem(value: Any, path: str, depth: int) -> Problem | None:
    kind = type(value)
    if kind is str:
        return _string_problem(value, path)
    if kind in _PLAIN:
        return None
    if kind is float:
        return None if math.isfinite(value) else Problem(path, f"is {value}, which JSON cannot hold")
    if depth > _DEPTH_MAX:
        return Problem("", "is nested too deeply, or holds itself")
    if kind is dict:
        return _dict_problem(value, path, depth)
    if kind is list or kind is tuple:
        for index, item in enumerate(value):
            found = _problem(item, f"{path}[{index}]", depth + 1)
            if found is not None:
                return found
        return None
    return Problem(path, f"is of type {kind_name(kind)}, which is not JSON", kind)


def _dict_problem(value: dict[Any, Any], path: str, depth: int) -> Problem | None:
    for key, item in value.items():
        if type(key) is not str:
            return Problem(path, f"has the key {key!r}, and JSON's keys are strings")
        found = _string_problem(key, path) or _problem(item, f"{path}[{key!r}]", depth + 1)
        if found is not None:
            return found
    return None


def _string_problem(value: str, path: str) -> Problem | None:
    if "\0" in value:
        return Problem(path, "holds a NUL character, which Postgres cannot store")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return Problem(path, "holds a lone surrogate, which is not Unicode text")
    return None

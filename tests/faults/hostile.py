"""What no user code should raise, return or pass on: for `hostile_jobs`, which does, and for the tests."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from currant import Retry, Snooze


class Unprintable(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class HasNoName(Exception, metaclass=Nameless):
    pass


class Liar(Exception):
    """Says that it is of another class, and then does not even do that."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise SystemExit("no class")

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise GeneratorExit


class Endless(Retry):
    def __init__(self, after_s: Any) -> None:
        Exception.__init__(self, "later")
        self.after_s = after_s


class Sleepy(Snooze):
    def __init__(self, after_s: Any) -> None:
        Exception.__init__(self, "later")
        self.after_s = after_s


def _cycle() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    one.__context__, other.__context__ = other, one
    return one


def _group(depth: int) -> Exception:
    error: Exception = ValueError("core")
    for _ in range(depth):
        error = ExceptionGroup("group", [error, ValueError("beside")])
    return error


def _noted() -> Exception:
    error = ValueError("noted")
    for _ in range(1000):
        error.add_note("x" * 1000)
    return error


#: What is raised, by name, with what the execution's error must say: its type, and a part of its message.
RAISED: dict[str, tuple[Callable[[], BaseException], str, str]] = {
    "exit": (lambda: SystemExit(3), "SystemExit", "3"),
    "interrupt": (KeyboardInterrupt, "KeyboardInterrupt", ""),
    "generator exit": (lambda: GeneratorExit("mine"), "GeneratorExit", "mine"),
    "cancelled": (lambda: asyncio.CancelledError("mine"), "asyncio.exceptions.CancelledError", "mine"),
    "stop iteration": (lambda: StopIteration(1), "RuntimeError", "raised StopIteration"),
    "stop async": (lambda: StopAsyncIteration(1), "StopAsyncIteration", "1"),
    "memory": (MemoryError, "MemoryError", ""),
    "huge": (lambda: ValueError("x" * 100_000_000), "ValueError", "characters more"),
    "unprintable": (Unprintable, "hostile.Unprintable", "unprintable"),
    "nameless": (lambda: type.__call__(HasNoName), "<a type without a name>", ""),
    "liar": (Liar, "hostile.Liar", ""),
    "cycle": (_cycle, "ValueError", "one"),
    "deep group": (lambda: _group(400), "ExceptionGroup", "group"),
    "wide group": (lambda: BaseExceptionGroup("w", [SystemExit(n) for n in range(10_000)]), "BaseExceptionGroup", "w"),
    "notes": (_noted, "ValueError", "noted"),
    "unicode": (lambda: ValueError("nul \0 and \ud800"), "ValueError", "nul \\x00 and \\ud800"),
    "retry nan": (lambda: Endless(math.nan), "currant.errors.ConfigurationError", "after must be"),
    "retry never": (lambda: Endless(1e300), "currant.errors.ConfigurationError", "after must be"),
    "snooze text": (lambda: Sleepy("soon"), "currant.errors.ConfigurationError", "after must be"),
    "snooze back": (lambda: Sleepy(-1), "currant.errors.ConfigurationError", "after must be"),
}


class Text(str):
    def __str__(self) -> str:
        raise SystemExit


def _endless_list() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


#: What is returned, by name, with the type of the error that must follow.
RETURNED: dict[str, tuple[Callable[[], Any], str]] = {
    "object": (object, "NotJSON"),
    "set": (lambda: {1, 2}, "NotJSON"),
    "class": (lambda: HasNoName, ""),
    "text class": (lambda: Text("x"), "NotJSON"),
    "keys": (lambda: {1: 2}, "NotJSON"),
    "itself": (_endless_list, "NotJSON"),
    "nul": (lambda: {"a": ["\0"]}, "NotJSON"),
    "nan": (lambda: [math.nan], "NotJSON"),
    "infinity": (lambda: {"a": math.inf}, "NotJSON"),
    "surrogate": (lambda: "\ud800", "NotJSON"),
    "surrogate key": (lambda: {"\udfff": 1}, "NotJSON"),
    "1 GB in one": (lambda: bytes(1 << 30), "PayloadTooLarge"),
    "1 GB in a list": (lambda: ["x" * (1 << 20)] * 1024, "PayloadTooLarge"),
    "1 GB in texts": (lambda: {"a": [{"b": "x" * (1 << 20)}] * 1024}, "PayloadTooLarge"),
    "many numbers": (lambda: [0] * (1 << 20), "PayloadTooLarge"),
}


#: What is refused at the enqueue, by name, with a part of what is said.
ARGUMENTS: dict[str, tuple[Callable[[], Any], str]] = {
    "huge": (lambda: "x" * (2 << 20), "CURRANT_PAYLOAD_BYTES_MAX"),
    "nul": (lambda: {"key": "a\0b"}, "['key']` holds a NUL"),
    "nan": (lambda: [1, math.nan], "[1]` is nan"),
    "surrogate": (lambda: "\ud800", "holds a lone surrogate"),
    "object": (object, "is of type object"),
    "itself": (_endless_list, "nested too deeply"),
}

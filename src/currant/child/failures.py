"""What an exception of the user's says, in bounded text. Nothing here raises, whatever the exception does."""

import contextlib
import importlib
import os
import traceback
from types import TracebackType

from currant.executions import encode_failure

MESSAGE_CHARS_MAX = 8 << 10
TRACEBACK_CHARS_MAX = 32 << 10
#: An exception with more others behind it than this is told without them.
_CHAIN_MAX = 50
_FRAMES_MAX = 100
_TYPE_CHARS_MAX = 500

#: Frames of these places at the head of a traceback say how the user's code was reached: nothing that the user asks.
_OWN_PLACES = (
    os.path.dirname(__file__) + os.sep,
    os.path.dirname(importlib.__file__) + os.sep,
    "<frozen importlib",
    contextlib.__file__,
)


def encode_error(error: BaseException) -> bytes:
    """Returns the JSON of the `error` column for an exception out of user code."""
    return encode_failure(type_name(error), message(error), traceback_text(error))


def type_name(error: BaseException) -> str:
    """Returns the qualified name of the exception's type; that of a builtin without its module."""
    kind = type(error)
    try:
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        # As for a message: a metaclass may put anything there.
        return str.__str__(name)[:_TYPE_CHARS_MAX]
    except BaseException:
        return "<a type without a name>"


def message(error: BaseException, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """Returns what the exception says, its beginning if that is long."""
    try:
        # Twice: __str__ may return an instance of a subclass, which does as it likes.
        text = str.__str__(str(error))
    except BaseException as trouble:
        return f"<unprintable: its __str__ raised {type_name(trouble)}>"
    return text if len(text) <= chars_max else f"{text[:chars_max]}… ({len(text) - chars_max} characters more)"


def traceback_text(error: BaseException, chars_max: int = TRACEBACK_CHARS_MAX) -> str:
    """Returns the traceback, from the user's first frame on; its end if it is long."""
    try:
        try:
            text = "".join(_format(error))
        except BaseException:
            text = "".join(_format_briefly(error))
    except BaseException as trouble:
        text = f"<no traceback: formatting it raised {type_name(trouble)}>\n"
    if len(text) > chars_max:
        return f"({len(text) - chars_max} characters before) …{text[-chars_max:]}"
    return text


def sendable(text: str) -> str:
    """Returns the text as a frame can hold it: a lone surrogate, which is no Unicode text, is written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_own_code_only(error: BaseException) -> bool:
    """Tells whether no line of the user's was reached before the exception was raised."""
    return _users_part(error) is None


def _users_part(error: BaseException) -> TracebackType | None:
    part = error.__traceback__
    while part is not None and part.tb_frame.f_code.co_filename.startswith(_OWN_PLACES):
        part = part.tb_next
    return part


def _format(error: BaseException) -> list[str]:
    part = _users_part(error)
    if _is_moderate(error):
        return list(traceback.TracebackException(type(error), error, part, limit=-_FRAMES_MAX, compact=True).format())
    # The standard library copies the messages of a whole chain several times over: too much for a huge one.
    return _format_briefly(error)


def _format_briefly(error: BaseException) -> list[str]:
    """Asks the exception for nothing but its frames and its message."""
    frames = traceback.format_tb(_users_part(error), limit=-_FRAMES_MAX)
    return ["Traceback (most recent call last):\n", *frames, f"{type_name(error)}: {message(error)}\n"]


def _is_moderate(error: BaseException) -> bool:
    """Tells whether the exception, with all that are behind or within it, has a size that can be printed in full."""
    pending, seen, chars = [error], {id(error)}, 0
    while pending:
        current = pending.pop()
        notes = getattr(current, "__notes__", ())
        if len(notes) > _CHAIN_MAX:
            return False
        chars += _chars(current) + sum(map(_chars, notes))
        if chars > TRACEBACK_CHARS_MAX or len(seen) > _CHAIN_MAX:
            return False
        within = getattr(current, "exceptions", ()) if issubclass(type(current), BaseExceptionGroup) else ()
        for other in (current.__cause__, current.__context__, *within):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                pending.append(other)
    return True


def _chars(thing: object) -> int:
    try:
        return len(str(thing))
    except BaseException:
        return 0

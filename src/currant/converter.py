"""One annotation's way to plain JSON and back, by msgspec; pydantic's models, which it does not know, by themselves."""

import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from currant import payload
from currant.annotations import Annotation, shown
from currant.difference import difference, is_model
from currant.errors import NotJSON

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Place(NamedTuple):
    """How an error names a value: what stands before and after the path within it."""

    before: str
    after: str = ""

    def at(self, path: str) -> str:
        """Returns the name of what is at `path`."""
        return f"{self.before}{path}{self.after}"


class _NotJSONKind(Exception):
    """A value is of a type that has no JSON."""

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        self.kind = kind


class Converter:
    """Converts the values of one annotation. `decode` makes a value from its JSON and raises whatever the user's
    classes raise; for an annotation that says nothing it is the plain decoder."""

    def __init__(self, annotation: Annotation) -> None:
        """Raises TypeError when the annotation is not one whose values can be told from their JSON."""
        self.decode: Callable[[Any], Any] = _decode
        if annotation.checked:
            try:
                self.decode = msgspec.json.Decoder(annotation.type, dec_hook=_from_json).decode
            except (NameError, AttributeError) as error:
                # A dataclass, say, whose own annotations name what is imported for type checkers alone.
                annotation = annotation.unchecked(f"{annotation.note}, which cannot be resolved: {error}")
            except TypeError:
                if not getattr(annotation.type, "__parameters__", ()):
                    raise
                # list[T]: of a type variable nothing is known.
                annotation = annotation.unchecked(annotation.note)
        self.checked = annotation.checked
        self._note = annotation.note

    def to_plain(self, value: Any, place: Place) -> Any:
        """Returns `value` as plain JSON values from which `decode` makes it again.

        Raises:
            NotJSON: it has no JSON, does not fit the annotation, or would come back as something else.
        """
        found = payload.problem(value)
        if found is None:
            return value
        plain = _to_plain(value, found, place)
        found = payload.problem(plain)
        if found is not None:
            raise NotJSON(f"{place.at(found.path)} {found.says}")
        try:
            back = self.decode(_encode(plain))
        except MemoryError:
            raise
        except Exception as error:
            raise NotJSON(f"{place.at('')} does not fit ({self._note}): {reason(error)}") from None
        changed = difference(value, back)
        if changed is not None:
            raise NotJSON(f"{place.at(changed.path)} {changed.says} ({self._note})")
        return plain


def reason(error: Exception) -> str:
    """Returns in words why a value does not fit. What is not msgspec's own error was raised by the user's classes."""
    return str(error) if isinstance(error, msgspec.MsgspecError) else f"{type(error).__qualname__}: {error}"


def _to_plain(value: Any, found: payload.Problem, place: Place) -> Any:
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=_to_json)
    except MemoryError:
        raise
    except _NotJSONKind as error:
        if found.kind is error.kind:
            raise NotJSON(f"{place.at(found.path)} {found.says}") from None
        name = payload.kind_name(error.kind)
        raise NotJSON(f"{place.at('')} holds a value of type {name}, which is not JSON") from None
    except RecursionError:
        raise NotJSON(f"{place.at('')} is nested too deeply, or holds itself") from None
    except Exception as error:
        if found.kind is None:
            raise NotJSON(f"{place.at(found.path)} {found.says}") from None
        raise NotJSON(f"{place.at(found.path)} cannot be written as JSON: {error}") from None


def _to_json(value: Any) -> Any:
    if is_model(type(value)):
        # What differs from the fields, a serializer's work or a wrong type, is found when the value is made again.
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings=False)
    raise _NotJSONKind(type(value))


def _from_json(kind: Any, value: Any) -> Any:
    if is_model(kind):
        return _validated(kind, value)
    if isinstance(value, typing.get_origin(kind) or kind):
        # An abstract class that a JSON value is of already: Hashable, Iterable[int].
        return value
    raise TypeError(f"Expected `{shown(kind)}`, which JSON cannot hold, got `{type(value).__qualname__}`")


def _validated(kind: Any, value: Any) -> Any:
    try:
        # As JSON, not as Python's values: a strict model takes a text for a date in JSON alone.
        return kind.model_validate_json(_encode(value))
    except ValueError as error:
        if not hasattr(error, "errors"):
            raise
        # Its own text quotes the input and takes a paragraph for each mistake.
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        said = (f"{'.'.join(map(str, each['loc'])) or kind.__name__}: {each['msg']}" for each in mistakes)
        raise ValueError("; ".join(said)) from None

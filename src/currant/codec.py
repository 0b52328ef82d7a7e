"""The arguments and the result of a function as JSON and back, by its annotations.

Plain JSON is stored as it is, without a look at the annotations; what is more than that is stored when the annotation
brings it back, and refused otherwise. Where an annotation says nothing, JSON's own types come back: a tuple as a list,
and a float of 1e16 or more as an integer, as jsonb writes it out in digits.
"""

import functools
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec

from currant import payload
from currant.annotations import Annotation, annotations, shown
from currant.converter import Converter, Place, reason
from currant.errors import DoesNotFit, NotJSON, RegistrationError

_decode = msgspec.json.Decoder().decode
# Each value's JSON as it stands in the array or object, for the decoder of its parameter.
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_split_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_JSON_TYPES: dict[type, str] = {
    list: "an array",
    dict: "an object",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
_Decode = Callable[[Any], Any]


@functools.cache
def codec_of(function: Callable[..., Any], name: str) -> "Codec":
    """Returns the function's codec: always the same one, whose plan is made once."""
    return Codec(function, name)


class _Plan(NamedTuple):
    """What `prepare` makes: a converter for each parameter; `more` for `*args`, `others` for `**kwargs`."""

    names: list[str]
    positional: list[Converter]
    named: dict[str, Converter]
    more: Converter
    more_name: str
    others: Converter
    result: Converter
    decode_positional: list[_Decode]
    decode_named: dict[str, _Decode]
    checked: bool


class Codec:
    """Converts the arguments and the result of one function. Any thread may use it."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        self._args = f"{name}: args"
        self._kwargs = f"{name}: kwargs"
        self._result = Place(f"the result of {name}")
        self._known: _Plan | None = None

    def prepare(self) -> None:
        """Resolves the annotations. The other methods do it when they need it; again, it does nothing.

        Raises:
            RegistrationError: an annotation is not one whose values can be told from their JSON.
        """
        self._plan()

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, bytes]:
        """Returns the arguments as a JSON array and a JSON object. Whether they fit the function is not looked at.

        Raises:
            NotJSON: an argument has no JSON, or would not come back as it is.
            RegistrationError: as for `prepare`.
        """
        try:
            return (
                b"[]" if not args else payload.encode(args, self._args),
                b"{}" if not kwargs else payload.encode(kwargs, self._kwargs),
            )
        except NotJSON:
            return self._encode_args(args), self._encode_kwargs(kwargs)

    def decode_arguments(self, args: bytes, kwargs: bytes) -> tuple[list[Any], dict[str, Any]]:
        """Returns the arguments that `encode_arguments` has written; those that no parameter takes as JSON has them.

        Raises:
            DoesNotFit: an argument is not what its annotation says, or there is no array and object.
            NotJSON: it is no JSON at all.
            RegistrationError: as for `prepare`.
        """
        plan = self._known or self._plan()
        if not plan.checked:
            return _array(args), {} if kwargs == b"{}" else _object(kwargs)
        return _decode_args(args, plan), {} if kwargs == b"{}" else _decode_kwargs(kwargs, plan)

    def encode_result(self, value: Any) -> bytes:
        """Returns a result as JSON.

        Raises:
            NotJSON: it has no JSON, or would not come back as it is.
            RegistrationError: as for `prepare`.
        """
        if value is None:
            return b"null"
        try:
            return payload.encode(value, self._result.before)
        except NotJSON:
            plain = self._plan().result.to_plain(value, self._result)
        return payload.encode(plain, self._result.before)

    def decode_result(self, body: bytes) -> Any:
        """Returns the result that `encode_result` has written.

        Raises:
            DoesNotFit: it is not what the annotation says.
            RegistrationError: as for `prepare`.
        """
        try:
            return (self._known or self._plan()).result.decode(body)
        except (MemoryError, RegistrationError):
            raise
        except Exception as error:
            raise DoesNotFit(f"{self._result.before}: {reason(error)}") from None

    def _encode_args(self, args: tuple[Any, ...]) -> bytes:
        plan = self._plan()
        size = len(plan.positional)
        names = chain(plan.names, (f"{plan.more_name}[{index}]" for index in range(len(args) - size)))
        converters = chain(plan.positional, repeat(plan.more))
        plain = [
            converter.to_plain(value, self._argument(name))
            for value, name, converter in zip(args, names, converters, strict=False)
        ]
        return payload.encode(plain, self._args)

    def _encode_kwargs(self, kwargs: dict[str, Any]) -> bytes:
        plan = self._plan()
        plain = {
            name: plan.named.get(name, plan.others).to_plain(value, self._argument(name))
            for name, value in kwargs.items()
        }
        return payload.encode(plain, self._kwargs)

    def _argument(self, name: str) -> Place:
        return Place(f"{self._name}: argument `{name}", "`")

    def _plan(self) -> _Plan:
        # Two threads may make it at the same time, and one of the two is kept.
        if self._known is None:
            self._known = _plan(self._function, self._name)
        return self._known


def _plan(function: Callable[..., Any], name: str) -> _Plan:
    found = annotations(function)
    unknown = Annotation("", Any, "no parameter takes it")
    named = {each.name: _converter(each, name) for each in found.named.values()}
    positional = [named.get(each.name) or _converter(each, name) for each in found.positional]
    more, others = (_converter(each or unknown, name) for each in (found.more, found.others))
    return _Plan(
        names=[each.name for each in found.positional],
        positional=positional,
        named=named,
        more=more,
        more_name=found.more.name if found.more else "args",
        others=others,
        result=_converter(found.result, name),
        decode_positional=[each.decode for each in positional],
        decode_named={key: each.decode for key, each in named.items()},
        checked=any(each.checked for each in (*positional, *named.values(), more, others)),
    )


def _converter(annotation: Annotation, function: str) -> Converter:
    try:
        return Converter(annotation)
    except Exception as error:
        what = "the result" if annotation.name == "the result" else f"parameter `{annotation.name}`"
        raise RegistrationError(
            f"{function}: {what} is annotated as `{shown(annotation.type)}`, whose values cannot be told from their"
            f" JSON: {error}; annotate it with types that differ in JSON (msgspec Structs with tag=True can stand in a"
            " union), or as Any, for plain JSON"
        ) from None


def _decode_args(args: bytes, plan: _Plan) -> list[Any]:
    values: list[Any] = _split(args, _split_array, _array)
    decoders: Iterable[_Decode] = plan.decode_positional
    if len(values) > len(plan.decode_positional):
        decoders = chain(decoders, repeat(plan.more.decode))
    index = 0
    try:
        for index, decode in zip(range(len(values)), decoders, strict=False):
            values[index] = decode(values[index])
    except MemoryError:
        raise
    except Exception as error:
        raise DoesNotFit(f"argument `{_positional_name(plan, index)}`: {reason(error)}") from None
    return values


def _decode_kwargs(kwargs: bytes, plan: _Plan) -> dict[str, Any]:
    values: dict[str, Any] = _split(kwargs, _split_object, _object)
    name = ""
    try:
        for name, value in values.items():
            values[name] = plan.decode_named.get(name, plan.others.decode)(value)
    except MemoryError:
        raise
    except Exception as error:
        raise DoesNotFit(f"argument `{name}`: {reason(error)}") from None
    return values


def _positional_name(plan: _Plan, index: int) -> str:
    size = len(plan.names)
    return plan.names[index] if index < size else f"{plan.more_name}[{index - size}]"


def _split(data: bytes, split: Callable[[bytes], Any], whole: Callable[[bytes], Any]) -> Any:
    try:
        return split(data)
    except (ValueError, RecursionError):
        # What is wrong with it is said by the plain decoder.
        whole(data)
        raise


def _array(data: bytes) -> list[Any]:
    values = _read(data, "args")
    if not isinstance(values, list):
        raise DoesNotFit(f"args must be a JSON array, got {_JSON_TYPES[type(values)]}")
    return values


def _object(data: bytes) -> dict[str, Any]:
    values = _read(data, "kwargs")
    if not isinstance(values, dict):
        raise DoesNotFit(f"kwargs must be a JSON object, got {_JSON_TYPES[type(values)]}")
    return values


def _read(data: bytes, what: str) -> object:
    try:
        return _decode(data)
    except (ValueError, RecursionError) as error:
        raise NotJSON(f"{what} cannot be read as JSON: {error}") from None

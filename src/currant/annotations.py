"""The annotations of a function, each resolved by itself: one that names something unknown takes no other with it."""

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

_NO_TYPES = (Any, object, inspect.Parameter.empty, typing.NoReturn, typing.Never, typing.Self, typing.LiteralString)
_VARIABLES = (typing.TypeVar, typing.TypeVarTuple, typing.ParamSpec, typing.ParamSpecArgs, typing.ParamSpecKwargs)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Annotation(NamedTuple):
    """What is written at a parameter: the type it means, Any where it says nothing, and how messages speak of it."""

    name: str
    type: Any
    note: str

    @property
    def checked(self) -> bool:
        """Tells whether it says anything about a value."""
        return self.type is not Any

    def unchecked(self, why: str) -> "Annotation":
        """Returns it as one that says nothing, and why."""
        return self._replace(type=Any, note=why)


class Annotations(NamedTuple):
    """A function's annotations: `more` is that of its `*args`, `others` that of its `**kwargs`."""

    positional: list[Annotation]
    named: dict[str, Annotation]
    more: Annotation | None
    others: Annotation | None
    result: Annotation

    def all_arguments(self) -> list[Annotation]:
        """Returns those of the parameters, in no order, some twice."""
        return [*self.positional, *self.named.values(), *filter(None, (self.more, self.others))]


def annotations(function: Callable[..., Any]) -> Annotations:
    """Returns the annotations of `function`, or of the one that it wraps, resolved as far as they can be."""
    signature = signature_of(function)
    scope = _Scope.of(function)
    found = {name: _of_parameter(parameter, scope) for name, parameter in signature.parameters.items()}

    def of_kinds(*kinds: Any) -> list[Annotation]:
        return [found[name] for name, parameter in signature.parameters.items() if parameter.kind in kinds]

    return Annotations(
        positional=of_kinds(*_POSITIONAL),
        named={annotation.name: annotation for annotation in of_kinds(*_NAMED)},
        more=next(iter(of_kinds(inspect.Parameter.VAR_POSITIONAL)), None),
        others=next(iter(of_kinds(inspect.Parameter.VAR_KEYWORD)), None),
        result=_resolved("the result", signature.return_annotation, scope),
    )


def shown(annotation: Any) -> str:
    """Returns an annotation as its author would write it."""
    return inspect.formatannotation(annotation)


class _Scope(NamedTuple):
    """The names that a function's annotations can mean."""

    globals: dict[str, Any]
    locals: dict[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "_Scope":
        original = inspect.unwrap(function)
        type_parameters = getattr(original, "__type_params__", ())
        return cls(getattr(original, "__globals__", {}), {each.__name__: each for each in type_parameters})


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Returns the signature; annotations that cannot be resolved do no harm, whatever the version of Python."""
    if sys.version_info >= (3, 14):
        # Annotations are evaluated late there, all at once: one unknown name would raise and take all others with it.
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _of_parameter(parameter: inspect.Parameter, scope: _Scope) -> Annotation:
    annotation = _resolved(f"`{parameter.name}`", parameter.annotation, scope)
    if annotation.checked and parameter.default is None:
        # `x: int = None` is often written, and means that None fits.
        annotation = annotation._replace(type=typing.Optional[annotation.type])  # noqa: UP045
    return annotation._replace(name=parameter.name)


def _resolved(name: str, annotation: Any, scope: _Scope) -> Annotation:
    if annotation is inspect.Parameter.empty:
        return Annotation(name, Any, f"{name} has no annotation")
    try:
        meant = _evaluated(annotation, scope)
    except Exception as error:
        # The text is the user's and is evaluated: anything can be raised.
        return Annotation(name, Any, f"the annotation of {name} cannot be resolved: {error}")
    note = f"{name} is annotated as `{shown(meant)}`"
    return Annotation(name, Any if _says_nothing(meant) else meant, note)


def _evaluated(annotation: Any, scope: _Scope) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, scope.globals, scope.locals, include_extras=True)["it"]


def _says_nothing(annotation: Any) -> bool:
    return (
        any(annotation is each for each in _NO_TYPES)
        or isinstance(annotation, _VARIABLES)
        or typing.get_origin(annotation) is typing.Unpack
        or getattr(annotation, "__unpacked__", False) is True
        or getattr(typing.get_origin(annotation) or annotation, "_is_protocol", False) is True
    )

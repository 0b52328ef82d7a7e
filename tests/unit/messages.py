"""Any message of a protocol, made from the types of its fields: a message that is added is drawn from then on."""

from types import UnionType
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from currant.backends import NewExecution
from currant.protocol import work

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_SIZE_MAX = 4
_PLAIN: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.StrType: st.text(max_size=12),
    inspect.BytesType: st.binary(max_size=12),
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
}


def messages(of: UnionType) -> st.SearchStrategy[Any]:
    """Any valid message of a union. Floats are never NaN, so that messages can be compared."""
    return _values(inspect.type_info(of))


def _values(of: inspect.Type) -> st.SearchStrategy[Any]:
    match of:
        case inspect.UnionType(types):
            return st.one_of([_values(each) for each in types])
        case inspect.StructType():
            return _structs(of)
        case inspect.EnumType(cls):
            return st.sampled_from(list(cls))
        case inspect.ListType(item):
            return st.lists(_values(item), max_size=_SIZE_MAX)
        case inspect.DictType(key, value):
            return st.dictionaries(_values(key), _values(value), max_size=_SIZE_MAX)
        case inspect.IntType():
            return st.integers(_INT_MIN if of.ge is None else of.ge, _INT_MAX if of.le is None else of.le)
        case inspect.FloatType():
            return st.floats(of.ge, of.le, allow_nan=False)
        case _:
            # A KeyError: say here how values of that type are made.
            return _PLAIN[type(of)]


def _structs(of: inspect.StructType) -> st.SearchStrategy[Any]:
    if of.cls is work.Enqueue:
        return _enqueues()
    return st.builds(of.cls, **{each.name: _values(each.type) for each in of.fields})


@st.composite
def _enqueues(draw: st.DrawFn) -> work.Enqueue:
    """It has as many ids as executions."""
    new = _values(inspect.type_info(NewExecution))
    executions = draw(st.lists(new, min_size=1, max_size=_SIZE_MAX))
    ids = draw(st.lists(st.text(max_size=12), min_size=len(executions), max_size=len(executions)))
    return work.Enqueue(draw(st.integers(_INT_MIN, _INT_MAX)), ids, executions)

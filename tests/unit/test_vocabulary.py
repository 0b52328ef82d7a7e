"""The log's one vocabulary: whatever the supervisor says is an event, whose fields are documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import currant
from currant.supervisor.events import Event

METHODS = {"debug", "info", "warning", "error", "critical"}
SOURCES = Path(currant.__file__).parent


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Yields the calls of logs in the supervisor and in its command, with their places."""
    for file in [*(SOURCES / "supervisor").rglob("*.py"), *(SOURCES / "cli").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_of_a_log(node.func):
                yield f"{file}:{node.lineno}", node


def _is_of_a_log(function: ast.Attribute) -> bool:
    return function.attr in METHODS and ast.unparse(function.value).split(".")[-1] in ("log", "_log")


def test_whatever_is_logged_is_an_event_with_documented_fields() -> None:
    calls = list(_calls())
    assert len(calls) > 30
    for place, call in calls:
        said = ast.unparse(call.args[0])
        if said == "event":
            # One of several, which the caller chose.
            continue
        assert said.startswith("Event."), place
        documented = Event[said.removeprefix("Event.")].meaning.partition("Fields:")[2]
        for field in call.keywords:
            assert field.arg is not None, place
            assert re.search(rf"\b{field.arg}\b", documented), f"{place}: the field {field.arg} is not documented"


def test_each_event_is_used() -> None:
    used = {name for file in SOURCES.rglob("*.py") for name in re.findall(r"\bEvent\.([A-Z_]+)", file.read_text())}
    assert Event.__members__.keys() - used == set()

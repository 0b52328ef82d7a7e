"""The log's word on failures, whatever the error holds."""

from typing import Any

import pytest

from currant.executions import Status, Verdict, encode_failure
from currant.supervisor.failures import FailureLog
from tests.unit.support import execution


class Log:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, _event: str, **fields: Any) -> None:
        self.lines.append(fields)


def told(error: bytes | None) -> dict[str, Any]:
    log = Log()
    FailureLog(log, lambda: 0.0).note(Verdict(execution(), Status.FAILED, error, reason="r"))  # type: ignore[arg-type]
    (line,) = log.lines
    return line


def test_a_failure_is_told_with_its_type_and_the_beginning_of_its_message() -> None:
    line = told(encode_failure("E" * 1000, "m" * 1000))
    assert (len(line["error"]), len(line["message"])) == (200, 200)


DEEP = b'{"type":"E","message":"","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "error",
    [None, b"", b"no json", b"[1]", b'{"type": 1}', b'{"type":"\xff","message":""}', DEEP],
    ids=["none", "empty", "no JSON", "list", "number", "no text", "deep"],
)
def test_what_a_child_sends_in_place_of_an_error_hurts_nobody(error: bytes | None) -> None:
    assert told(error)["error"] == "unknown"

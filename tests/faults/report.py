"""The report of the fault tests: by row of the table, what was run, lost and doubled, and how long recovery took."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.table import FAULTS
from tests.faults.trial import Record


@dataclass
class Row:
    """All tests of one fault. `skipped` has the reasons, `failed` the tests."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    executions: int = 0
    lost: int = 0
    doubled: int = 0
    recoveries_s: list[float] = field(default_factory=list)

    @property
    def result(self) -> str:
        if self.failed:
            return "FAILED"
        if self.passed:
            return "ok" if not self.skipped else f"ok, {len(self.skipped)} skipped"
        return "skipped" if self.skipped else "no test"

    def add(self, test: str, outcome: str, reason: str, record: Record | None) -> None:
        """Adds a test that has ended: `outcome` is passed, failed or skipped."""
        if outcome == "skipped":
            self.skipped.append(f"{test}: {reason}")
        elif outcome == "failed":
            self.failed.append(test)
        else:
            self.passed += 1
        if record is not None:
            self.executions += record.executions
            self.lost += record.lost or 0
            self.doubled += record.doubled or 0
            self.recoveries_s += record.recoveries_s


class Report:
    """Collects the tests of a run, in whichever process they ran."""

    def __init__(self) -> None:
        self._rows = {number: Row() for number in FAULTS}

    def __getitem__(self, number: int) -> Row:
        return self._rows[number]

    @property
    def is_empty(self) -> bool:
        return all(row.result == "no test" for row in self._rows.values())

    def as_json(self) -> list[dict[str, Any]]:
        """Returns the rows for programs, times in seconds."""
        return [
            {
                "row": number,
                "fault": FAULTS[number],
                "result": row.result,
                "tests": row.passed + len(row.failed),
                "failed": row.failed,
                "skipped": row.skipped,
                "executions": row.executions,
                "lost": row.lost,
                "doubled": row.doubled,
                "recovery_median_s": median(row.recoveries_s) if row.recoveries_s else None,
                "recovery_max_s": max(row.recoveries_s, default=None),
            }
            for number, row in self._rows.items()
        ]

    def write(self, path: Path) -> None:
        """Writes the rows as JSON."""
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def lines(self, *, all_rows: bool) -> Iterator[str]:
        """Returns the table for people; rows without a test only if all are asked for."""
        columns = "{:>3} {:<62} {:>5} {:>8} {:>5} {:>7} {:>10} {:>8}  {}"
        yield columns.format("row", "fault", "tests", "runs", "lost", "doubled", "recovery", "at most", "result")
        untested = []
        for line in self.as_json():
            if line["result"] == "no test":
                untested.append(str(line["row"]))
                continue
            typical, longest = line["recovery_median_s"], line["recovery_max_s"]
            yield columns.format(
                line["row"],
                line["fault"][:62],
                line["tests"],
                line["executions"],
                line["lost"],
                line["doubled"],
                "" if typical is None else f"{typical:.3f} s",
                "" if longest is None else f"{longest:.2f} s",
                line["result"],
            )
        if untested and all_rows:
            yield f"rows without a test: {', '.join(untested)}"
        for line in self.as_json():
            yield from (f"row {line['row']} failed: {test}" for test in line["failed"])
            yield from (f"row {line['row']} skipped: {test}" for test in line["skipped"])

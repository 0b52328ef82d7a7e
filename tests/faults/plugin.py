"""pytest's part of the fault tests: markers, options, and the report at the end of `make crash`."""

from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from tests.faults.report import Report
from tests.faults.table import FAULTS
from tests.faults.trial import Record

#: The names under which a test's rows and its record travel from where it ran to where the report is made.
ROWS, RECORD = "fault rows", "fault record"

FAILED = pytest.StashKey[bool]()


class Reporter:
    """Makes the report of all fault tests, in the process that the user started."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._report = Report()
        self._ended: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for setup, call and teardown: a test has failed if one of them has."""
        outcome, _ = self._ended.get(report.nodeid, ("passed", ""))
        if report.failed or (report.skipped and outcome == "passed"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._ended[report.nodeid] = (report.outcome, reason.removeprefix("Skipped: "))
        if report.when == "teardown":
            self._add(report)

    def _add(self, report: pytest.TestReport) -> None:
        found = dict(report.user_properties)
        outcome, reason = self._ended.pop(report.nodeid, ("passed", ""))
        record = msgspec.convert(found[RECORD], Record) if RECORD in found else None
        for row in found.get(ROWS, []):  # type: ignore[attr-defined]
            self._report[row].add(report.nodeid.rpartition("/")[2], outcome, reason, record)

    def pytest_sessionfinish(self) -> None:
        if path := self._config.getoption("--crash-report"):
            self._report.write(Path(path))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._config.getoption("--crash") or self._report.is_empty:
            return
        terminalreporter.section("fault table")
        option = self._config.option
        for line in self._report.lines(all_rows=not (option.rows or option.keyword or option.markexpr)):
            terminalreporter.line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "the fault table")
    group.addoption("--crash", action="store_true", help="the long form: many executions, and what takes minutes")
    group.addoption("--executions", type=int, default=10_000, metavar="N", help="how many with --crash (10000)")
    group.addoption("--rows", default="", metavar="1,3,…", help="only the fault tests of these rows")
    group.addoption("--crash-report", metavar="PATH", help="write the report as JSON")
    group.addoption("--soak-seconds", type=float, metavar="S", help="how long the soak test goes on (three rounds)")
    group.addoption("--soak-seed", type=int, metavar="N", help="its seed (drawn with --crash)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(row, …): tests these rows of the fault table")
    config.addinivalue_line("markers", "crash_only(reason): takes minutes or rights that only `make crash` has")
    # The workers of pytest-xdist send their tests' reports to the process that started them.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {int(row) for row in config.getoption("--rows").split(",") if row}
    left_out = []
    for item in items:
        rows = sorted({row for marker in item.iter_markers("fault") for row in marker.args})
        assert set(rows) <= FAULTS.keys(), f"{item.nodeid}: the fault table has no row {rows}"
        item.user_properties.append((ROWS, rows))
        if wanted and not wanted.intersection(rows):
            left_out.append(item)
        for marker in item.iter_markers("crash_only"):
            if not config.getoption("--crash"):
                item.add_marker(pytest.mark.skip(reason=f"only `make crash` runs it: {marker.args[0]}"))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report

"""The page's beginning and end: outcome, key figures, what failed; and where it was measured."""

import shlex

from currant.bench.differences import is_busy
from currant.bench.page import numbers, sections, tables
from currant.bench.page.markup import Html, element
from currant.bench.results import Document, Environment, Section

#: The figures that are worth a tile, in their order, by a name that fits one; two of them share it.
TILES: dict[str, tuple[str, ...]] = {
    "Throughput": ("throughput_per_s",),
    "Ratio to SQL floor": ("ratio_to_floor",),
    "Enqueued and run": ("end_to_end_per_s",),
    "Start, p50 / p99": ("start_p50_ms", "start_p99_ms"),
    "Completion, p50 / p99": ("complete_p50_ms", "complete_p99_ms"),
    "Highest rate in the limit": ("knee_per_s",),
    "Speed-up": ("speed_up",),
    "Efficiency": ("efficiency",),
    "Claim, large ÷ small backlog": ("claim_cost_ratio",),
    "Statements while idle": ("idle_statements_per_s",),
    "Statements": ("statements_per_job",),
    "Utilization": ("utilization",),
    "CPU": ("cpu_ms_per_1000",),
    "Write-ahead log": ("wal_bytes_per_job",),
    "One by one": ("enqueue_per_s",),
    "In bulk": ("enqueue_many_per_s",),
}

BUSY = "The machine was busy with something else when this began, which the figures include."


def head(document: Document, anchors: list[str]) -> Html:
    """Returns title, outcome, tiles, and links to the sections. `anchors`: their ids, in their order."""
    failed = document.failed
    count = sum(len(each) for it in document.sections for each in (it.checks, *(run.checks for run in it.runs)))
    checks = numbers.counted(count, "check")
    outcome = f"{len(failed)} of {checks} failed" if failed else f"{checks} held"
    links = [element("a", it.mode, href=f"#{anchor}") for it, anchor in zip(document.sections, anchors, strict=True)]
    return element(
        "header",
        element("h1", "Currant bench"),
        element("p", element("code", command(document)), class_="command"),
        element("p", _when(document), class_="when"),
        element("p", outcome, class_="verdict failed" if failed else "verdict ok") if count else None,
        _failed(document),
        element("p", BUSY, class_="warning") if is_busy(document.environment) else None,
        element("div", *_tiles(document.sections, anchors), class_="tiles"),
        element("nav", *links, element("a", "environment", href="#environment"), aria_label="Sections"),
    )


def environment(document: Document) -> Html:
    """Returns versions, machine, settings and command."""
    it = document.environment
    return element(
        "section",
        element("h2", "Environment"),
        element("p", element("code", command(document)), class_="command"),
        tables.definitions(_machine(it)),
        element("h3", "Postgres settings"),
        tables.definitions(it.postgres_settings),
        element("h3", "Packages"),
        tables.definitions(it.packages),
        id="environment",
    )


def command(document: Document) -> str:
    """Returns the command line, as a shell takes it."""
    words = document.command
    return shlex.join(words if words[:2] == ["currant", "bench"] else ["currant", "bench", *words])


def _when(document: Document) -> str:
    it = document.environment
    commit = f" ({it.commit[:10]})" if it.commit else ""
    return (
        f"{document.started[:16].replace('T', ' ')} UTC · Currant {it.currant}{commit} · {it.python}"
        f" · Postgres {it.postgres} · {it.cpu}, {it.cores} cores"
    )


def _failed(document: Document) -> Html | None:
    checked = [
        named
        for it in document.sections
        for named in [(it.mode, it.checks), *((f"{it.mode}: {run.label}", run.checks) for run in it.runs)]
    ]
    found = [
        element("section", element("h2", name), sections.checks(failed))
        for name, checks in checked
        if (failed := [check for check in checks if not check.ok])
    ]
    return element("div", *found, class_="alarm", role="alert") if found else None


def _tiles(found: list[Section], anchors: list[str]) -> list[Html]:
    tiles = []
    known = [_costs(it) | it.figures for it in found]
    for title, names in TILES.items():
        # The first mode that has them: capacity and steady, which ask for them, come before what varies them.
        place = next((at for at, figures in enumerate(known) if all(name in figures for name in names)), None)
        if place is None:
            continue
        figures = [numbers.figure(name, known[place][name]) for name in names]
        value = ["\u00a0/\u00a0".join(text for text, _ in figures), element("small", " ", figures[0][1])]
        tiles.append(
            element(
                "a",
                element("span", title, class_="title"),
                element("span", *value, class_="value"),
                element("span", found[place].mode, _aside(found[place], names[0]), class_="aside"),
                href=f"#{anchors[place]}",
                class_="tile",
            )
        )
    return tiles


def _costs(it: Section) -> dict[str, float]:
    """Returns what the section's first run cost, by the names of figures, for modes that do not name it themselves."""
    if not it.runs or not it.runs[0].completed:
        return {}
    run = it.runs[0]
    cpu = run.cpu_s_per_1000
    found = {
        "statements_per_job": run.statements_per_job,
        "utilization": run.utilization,
        "cpu_ms_per_1000": None if cpu is None else 1000 * (cpu.supervisor + cpu.children + (cpu.postgres or 0)),
        "wal_bytes_per_job": run.wal_bytes_per_job,
    }
    return {name: value for name, value in found.items() if value is not None}


def _aside(it: Section, name: str) -> str:
    floor = it.figures.get("floor_per_s")
    if name == "ratio_to_floor" and floor is not None:
        return f", floor {numbers.per_s(floor)}"
    # From p5 to p95 of the run's parts, as the plot of it says.
    spread = it.runs[0].throughput_spread if it.runs else None
    if name == "throughput_per_s" and spread:
        return f", {numbers.short(spread.p5)}–{numbers.short(spread.p95)}"
    return ""


def _machine(it: Environment) -> dict[str, str]:
    return {
        "Currant": it.currant + (f", commit {it.commit}" if it.commit else ""),
        "Python": it.python,
        "Postgres": f"{it.postgres}, {it.postgres_where}",
        "system": it.os,
        "CPU": f"{it.cpu}, {it.cores} cores",
        "memory": numbers.size(it.memory_bytes),
        "load before": f"{it.load:.2f}",
    }

"""A section of the page: the question, the answer, the figures, what compares the runs, and each run."""

import msgspec

from currant.bench.page import across, bars, numbers, plots, tables
from currant.bench.page.markup import Html, element, join, script, table
from currant.bench.page.plots import Plot
from currant.bench.results import Check, Run, Section

#: With more runs than that each is folded up.
OPEN_RUNS_MAX = 2


def section(it: Section, anchor: str) -> Html:
    """Returns the section as markup. `anchor`: its id on the page."""
    compared = [
        *(figure(plot) for plot in across.of_section(it)),
        *(bars.of_phases(it.runs) if it.mode == "phases" else []),
        *bars.of_runs(it.runs),
    ]
    return element(
        "section",
        element("h2", it.mode.capitalize()),
        element("p", it.question, class_="question"),
        element("p", it.answer, class_="answer"),
        _figures(it),
        table(it.head, it.rows, caption=f"What {it.mode} found") if it.rows else None,
        checks(it.checks) if it.checks else None,
        element("div", *compared, class_="plots") if compared else None,
        *(
            _run(run, f"{anchor}-{number}", unfolded=len(it.runs) <= OPEN_RUNS_MAX)
            for number, run in enumerate(it.runs, 1)
        ),
        id=anchor,
    )


def figure(plot: Plot) -> Html:
    """Returns the place of a plot, with its data: the script draws into it."""
    return element(
        "figure",
        element("figcaption", plot.title, element("span", f", {plot.y_label}", class_="unit")),
        element("p", plot.summary, class_="summary"),
        element("div", class_="drawing", role="img", aria_label=plot.title),
        script(msgspec.json.encode(plot).decode(), type="application/json"),
        class_="plot",
    )


def checks(found: list[Check]) -> Html:
    """Returns each check with its outcome."""
    lines = (
        element(
            "li",
            element("b", "held" if check.ok else "FAILED", class_="outcome"),
            element("b", check.name, class_="name"),
            " ",
            check.text,
            class_="ok" if check.ok else "failed",
        )
        for check in found
    )
    return element("ul", *lines, class_="checks")


def _figures(it: Section) -> Html | None:
    if not it.figures:
        return None
    if not it.repeats:
        texts = {
            numbers.meaning(name).meaning: " ".join(numbers.figure(name, value)) for name, value in it.figures.items()
        }
        return tables.definitions(texts, class_="facts figures")
    head = ["figure", "median", "unit", f"{len(it.repeats)} repetitions, from lowest to highest"]
    rows = [
        (numbers.meaning(name).meaning, *numbers.figure(name, value), _repeats(name, value, it.repeats))
        for name, value in it.figures.items()
    ]
    return table(head, rows, caption=f"Figures of {it.mode}")


def _repeats(name: str, median: float, repeats: list[dict[str, float]]) -> str | Html:
    values = [repeat[name] for repeat in repeats if name in repeat]
    return bars.dots(values, median, lambda value: numbers.figure(name, value)[0]) if values else numbers.NONE


def _run(run: Run, anchor: str, *, unfolded: bool) -> Html:
    failed = [check for check in run.checks if not check.ok]
    count = numbers.counted(len(run.checks), "check")
    outcome = f"{len(failed)} of {count} failed" if failed else f"{count} held"
    title = element(
        "summary",
        element("h3", run.label),
        element(
            "span", f"{run.workers:,} × {run.concurrency:,} · {run.job} · {run.completed:,} completed", class_="what"
        ),
        element("span", numbers.per_s(run.throughput_per_s), class_="rate") if run.completed else None,
        element("span", outcome, class_="failed" if failed else "ok") if run.checks else None,
    )
    drawn = [figure(plot) for plot in plots.of_run(run, anchor)]
    body = [
        checks(run.checks) if run.checks else None,
        element("div", *drawn, class_="plots") if drawn else None,
        *(join(element("h4", name), content) for name, content in tables.of_run(run)),
        _children(run),
    ]
    return element("details", title, *body, class_="run", id=anchor, open=unfolded or bool(failed))


def _children(run: Run) -> Html | None:
    content = tables.of_children(run)
    if content is None:
        return None
    done = sorted(child.executions for child in run.children)
    each = f": {done[0]:,} to {done[-1]:,} executions each" if run.completed else ""
    return element("details", element("summary", f"{len(done):,} children{each}"), content, class_="more")

"""What happened, and whether it is what had to happen."""

from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from examples.demo import database
from examples.demo.database import Connection, DeadLetters, Tally
from examples.demo.plan import Kind, Plan


class Report(NamedTuple):
    """The end of the day, as the database has it."""

    tallies: dict[str, Tally]
    dead_letters: list[DeadLetters]
    p50_ms: float
    p99_ms: float
    newsletter_s: float


async def make_report(connection: Connection) -> Report:
    return Report(
        tallies=await database.tallies(connection),
        dead_letters=await database.dead_letters(connection),
        p50_ms=await database.latency_ms(connection, "send_receipt", 0.5),
        p99_ms=await database.latency_ms(connection, "send_receipt", 0.99),
        newsletter_s=await database.seconds(connection, "send_newsletter"),
    )


def surprises(report: Report, plan: Plan) -> list[str]:
    """Returns what is not as planned, in words."""
    return [text for kind in plan.kinds for text in _surprises_of(kind, report)]


def _surprises_of(kind: Kind, report: Report) -> Iterator[str]:
    tally = report.tallies.get(kind.name, Tally())
    dead = sum(each.number for each in report.dead_letters if each.kind == kind.name)
    for what, planned, got in (
        ("in the table", len(kind.calls), tally.enqueued),
        ("completed", kind.completed, tally.completed),
        ("failed", kind.failed, tally.failed),
        ("dead letters", kind.failed, dead),
        ("runs", kind.runs, tally.runs),
    ):
        if got != planned:
            yield f"{kind.name}: {planned:,} {what} were expected, and it is {got:,}"


def show(console: Console, report: Report, plan: Plan, elapsed_s: float) -> None:
    """Prints the report for people."""
    table = Table("job", "what it is", title="What happened", title_justify="left", border_style="dim")
    for name in ("completed", "failed", "runs"):
        table.add_column(name, justify="right")
    for kind in plan.kinds:
        tally = report.tallies[kind.name]
        failed = f"[red]{tally.failed:,}[/]" if tally.failed else "0"
        table.add_row(kind.name, kind.shows, f"{tally.completed:,}", failed, f"{tally.runs:,}")
    console.print("", table)

    letters = Table(
        "job", "number", "reason", "last error", title="Dead letters, kept to be looked at", title_justify="left"
    )
    letters.border_style = "dim"
    for each in report.dead_letters:
        letters.add_row(each.kind, f"{each.number:,}", each.reason, f"{each.error}: {each.example}")
    console.print(letters, "")

    runs = sum(tally.runs for tally in report.tallies.values())
    newsletters = report.tallies["send_newsletter"].completed
    for line in (
        f"{plan.jobs:,} jobs, {runs:,} runs, none lost and none run twice, in {elapsed_s:.1f} s",
        f"throughput: {newsletters:,} newsletters enqueued and sent in {report.newsletter_s:.1f} s,"
        f" {newsletters / report.newsletter_s:,.0f}/s",
        f"latency of the receipts, from enqueued to completed: p50 {report.p50_ms:.1f} ms, p99 {report.p99_ms:.1f} ms",
    ):
        console.print(line, soft_wrap=True)

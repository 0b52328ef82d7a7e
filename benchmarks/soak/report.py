"""The outcome for people: two tables, and what holds."""

from rich.console import Console
from rich.table import Table

from benchmarks.soak.outcome import Chunk, Outcome

MB = 1e6
#: Those that grow; of the other indexes no-op executions have no entries.
RELATIONS = ("executions", "executions_pkey", "executions_ready")


def show(outcome: Outcome, console: Console) -> None:
    """Prints the outcome."""
    console.print(_chunks(outcome.chunks))
    if outcome.stretches:
        console.print(_stretches(outcome))
    for check in outcome.checks:
        mark, colour = ("holds", "green") if check.ok else ("fails", "red")
        console.print(f"[bold {colour}]{mark}[/] {check.name}: {check.text}", highlight=False, soft_wrap=True)


def _chunks(chunks: list[Chunk]) -> Table:
    table = Table(title="Sizes in MB, when so many executions were done")
    for head in ("done", "jobs/s", "table", "pkey", "ready", "others", "bytes each", "dead", "vacuums"):
        table.add_column(head, justify="right")
    for chunk in chunks:
        named = [chunk.sizes[name] for name in RELATIONS]
        table.add_row(
            f"{chunk.upto:,}",
            f"{chunk.per_s:,.0f}",
            *(f"{size / MB:,.1f}" for size in (*named, sum(chunk.sizes.values()) - sum(named))),
            f"{chunk.bytes_per_execution:,.0f}",
            f"{chunk.dead / max(1, chunk.live + chunk.dead):.0%}",
            f"{chunk.autovacuums:,}",
        )
    return table


def _stretches(outcome: Outcome) -> Table:
    table = Table(title=f"A transaction open elsewhere for {outcome.held_s:g} s, on an emptied table")
    for head in ("", "jobs/s", "rows a claim", "claim, µs a row", "dead row versions"):
        table.add_column(head, justify="right" if head else "left")
    for each in outcome.stretches:
        table.add_row(
            each.name,
            f"{each.per_s:,.0f}",
            f"{each.rows / max(1, each.claims):,.0f}",
            f"{each.claim_us_per_row:.1f}",
            f"{each.dead:,}",
        )
    return table

"""`currant queues`: what waits where, and who serves it."""

from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, named_database
from currant.cli.output import Page
from currant.cli.values import JsonOption
from currant.records import Queue
from currant.store import inspection


def queues_command(
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Shows the queues that hold something, are served or paused: what waits in each, and the nodes that serve it.

    Counts stop at 10,000. What runs is not counted here, for no index knows it: `currantctl status` on a node says what
    runs there, and `currant list --status running` which executions do.
    """
    with named_database(database_url, embedded=embedded) as settings:
        queues, now_s = ask(
            settings,
            lambda connection: inspection.list_queues(connection, heartbeat_timeout_s=settings.heartbeat_timeout_s),
        )
        if as_json:
            output.write_json(queues)
        else:
            _show(queues, now_s)


def _show(queues: list[Queue], now_s: float) -> None:
    page = Page()
    if not queues:
        page.add("nothing waits, and no node runs")
        return
    rows = [
        (
            each.name,
            output.count(each.pending, cut=each.pending_cut),
            output.age(each.oldest_pending_at, now_s),
            output.count(each.scheduled, cut=each.scheduled_cut),
            output.age(each.next_run_at, now_s),
            output.text(output.count(each.parked, cut=each.parked_cut), "yellow" if each.parked else None),
            output.text(", ".join(each.nodes)) if each.nodes else output.text("none", "red" if each.pending else None),
            output.text(output.paused(each.pause, now_s), "yellow") if each.pause else "",
        )
        for each in queues
    ]
    names = ["queue", "pending", "oldest", "scheduled", "next", "parked", "nodes"]
    if any(each.pause for each in queues):
        names.append("paused")
    page.add(output.table(*names, rows=[row[: len(names)] for row in rows]))

"""The part of docs/peers.md that is made from the figures. Pure."""

from benchmarks.peers.errors import PeersError
from benchmarks.peers.results import Document
from benchmarks.peers.tables import better, ratios, tables

BEGIN = "<!-- Made by `python -m benchmarks.peers --show …`: from here -->\n"
END = "<!-- to here -->\n"


def section(document: Document) -> str:
    """Returns the text between the two marks."""
    machine = document.machine
    commit = f", commit {document.commit}" if document.commit else ""
    redis = f" Redis {machine.redis}, `appendonly yes`, `appendfsync everysec`." if machine.redis else ""
    where = (
        f"Measured from {document.started[:10]} on{commit}, on {machine.cores} cores ({machine.cpu}), "
        f"{machine.memory_gib} GiB, {machine.os}. PostgreSQL {machine.postgres} ({machine.postgres_where}).{redis} "
        f"Python {machine.python}. The machine's load before it was at most {machine.load:g}."
    )
    settings = ["| | version | settings |", "|---|---|---|"]
    settings += [f"| {system.title} | {system.version} | {system.settings} |" for system in document.systems]
    failures = [f"- {system.title}: {failure}" for system in document.systems for failure in system.failures]
    parts = [
        where,
        "\n".join(settings),
        "### Results\n\n" + tables(document).rstrip("\n"),
        "### Where another is better\n\n" + better(document, "currant").rstrip("\n"),
    ]
    # One round says little of a ratio.
    if beside := ratios(document, "currant", rounds_min=2):
        lines = "\n".join(f"- {line}" for line in beside.splitlines())
        parts.append(f"### Currant's figure over the other's, in the same round\n\n{lines}")
    if failures:
        parts.append("### What could not be measured\n\n" + "\n".join(failures))
    return "\n" + "\n\n".join(parts) + "\n\n"


def renewed(page: str, document: Document) -> str:
    """Returns the page with its part made anew. Raises PeersError: the marks are not in it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise PeersError(f"the page has no part between {BEGIN.strip()} and {END.strip()}")
    return before + begin + section(document) + end + after

"""The figures of all rounds, as they are kept in a file. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.peers.errors import PeersError


class System(msgspec.Struct, kw_only=True):
    """One system, with what each round measured of it: a figure's name, and its values in the order of the rounds."""

    name: str
    title: str
    version: str
    settings: str
    #: None is a job that did not run again within the wait of a crash case.
    figures: dict[str, list[float | None]] = {}
    #: What could not be measured, and why.
    failures: list[str] = []

    def add(self, figures: Mapping[str, float | None]) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def median(self, figure: str) -> float | None:
        """Returns the median over the rounds, infinite where most waited in vain; None where nothing was measured."""
        values = [math.inf if value is None else value for value in self.figures.get(figure, [])]
        return statistics.median(values) if values else None


class Machine(msgspec.Struct, kw_only=True):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gib: int
    os: str
    postgres: str
    postgres_where: str
    redis: str | None
    python: str
    #: The 1-minute load before the first round: what others did on the machine.
    load: float


class Document(msgspec.Struct, kw_only=True):
    """The JSON file: one run, or several of different cases put together."""

    format: int = 1
    #: UTC, ISO 8601.
    started: str
    commit: str | None
    command: list[str]
    machine: Machine
    #: How long the crash cases waited, in seconds.
    wait_s: float
    systems: list[System]

    def system(self, name: str) -> System | None:
        return next((system for system in self.systems if system.name == name), None)


def merged(documents: Sequence[Document]) -> Document:
    """Returns one document of several: a later one's figures take the place of an earlier one's of the same name."""
    last = documents[-1]
    systems: dict[str, System] = {}
    for document in documents:
        for system in document.systems:
            before = systems.get(system.name)
            figures = {**(before.figures if before else {}), **system.figures}
            failures = [*(before.failures if before else []), *system.failures]
            systems[system.name] = msgspec.structs.replace(system, figures=figures, failures=failures)
    # A system's place is the one of the document that has most of them.
    order = [system.name for system in max(documents, key=lambda each: len(each.systems)).systems]
    machine = last.machine
    load = max(document.machine.load for document in documents)
    redis = next((document.machine.redis for document in documents if document.machine.redis), None)
    return msgspec.structs.replace(
        last,
        started=min(document.started for document in documents),
        machine=msgspec.structs.replace(machine, load=load, redis=redis),
        wait_s=max(document.wait_s for document in documents),
        systems=sorted(systems.values(), key=lambda system: order.index(system.name) if system.name in order else 99),
    )


def encode(document: Document) -> bytes:
    """Returns the JSON file's content."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(content: bytes) -> Document:
    """Returns the document of a JSON file. Raises PeersError: it is none."""
    try:
        return msgspec.json.decode(content, type=Document)
    except msgspec.DecodeError as error:
        raise PeersError(f"this is no file of benchmarks.peers: {error}") from None

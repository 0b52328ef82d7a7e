"""All cases of all systems, by turns."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import cases
from benchmarks.peers.environments import output
from benchmarks.peers.errors import PeersError
from benchmarks.peers.peer import Peer
from benchmarks.peers.results import Document, Machine, System
from benchmarks.peers.servers import Servers, servers

CASES = ("drain", "enqueue", "latency", "idle", "crash", "crash-worker")


class Plan(NamedTuple):
    """What the options ask for."""

    peers: Sequence[Peer]
    cases: Sequence[str]
    jobs: Sequence[int]
    rounds: int
    rate: int
    seconds: int
    idle_processes: Sequence[int]
    wait_s: float
    database_url: str | None


class Step(NamedTuple):
    """One case of one system, in one round."""

    peer: Peer
    what: str
    measure: Callable[[Servers], Mapping[str, float | None]]


def steps(plan: Plan, number: int) -> list[Step]:
    """Returns the steps of a round: each case for all systems after each other, in odd rounds backwards.

    So a system's neighbours change places, and what changes slowly on the machine meets all alike.
    """
    order = list(plan.peers) if number % 2 == 0 else list(reversed(plan.peers))
    found = []
    for case in plan.cases:
        for variant, measure in _variants(plan, case):
            for peer in order:
                if case != "drain" or int(variant) <= peer.jobs_max:
                    what = f"{case} {variant}".strip()
                    found.append(Step(peer, what, partial(measure, peer)))
    return found


def _variants(plan: Plan, case: str) -> list[tuple[str, Callable[[Peer, Servers], Mapping[str, float | None]]]]:
    match case:
        case "drain":
            return [(str(jobs), partial(_call, cases.drain, (jobs,))) for jobs in plan.jobs]
        case "enqueue":
            return [("", partial(_call, cases.enqueue, (min(plan.jobs) // 10,)))]
        case "latency":
            return [("", partial(_call, cases.latency, (plan.rate, plan.seconds)))]
        case "idle":
            return [(str(n), partial(_call, cases.idle, (n, float(plan.seconds)))) for n in plan.idle_processes]
        case "crash":
            return [("", partial(_call, cases.crash_process, (plan.wait_s,)))]
        case "crash-worker":
            return [("", partial(_call, cases.crash_worker, (plan.wait_s,)))]
    raise AssertionError(case)


def _call(
    case: Callable[..., Mapping[str, float | None]], arguments: Sequence[float], peer: Peer, server: Servers
) -> Mapping[str, float | None]:
    return case(peer, server, *arguments)


def run(plan: Plan, command: Sequence[str], say: Callable[[str], None]) -> Document:
    """Installs what is missing, then measures.

    Raises:
        PeersError: something that is needed is missing. What a system does wrong ends up in its `failures`.
    """
    for peer in plan.peers:
        say(f"{peer.title}: its environment is made if it is missing")
        peer.install()
    found = {
        peer.name: System(name=peer.name, title=peer.title, version=peer.version(), settings=peer.settings)
        for peer in plan.peers
    }
    with servers(plan.database_url, redis=any(peer.server == "redis" for peer in plan.peers)) as both:
        machine = _machine(both, throwaway=plan.database_url is None)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        for number in range(plan.rounds):
            for step in steps(plan, number):
                outcome = _measured(step, both, found)
                say(f"round {number + 1} of {plan.rounds}: {step.what}, {step.peer.title}: {outcome}")
    return Document(
        started=started,
        commit=_commit(),
        command=list(command),
        machine=machine,
        wait_s=plan.wait_s,
        systems=list(found.values()),
    )


def _measured(step: Step, both: Servers, found: dict[str, System]) -> str:
    system = found[step.peer.name]
    try:
        figures = step.measure(both)
    except PeersError as error:
        system.failures.append(f"{step.what}: {error}")
        return f"failed: {error}"
    system.add(figures)
    return ", ".join(f"{name} {'–' if value is None else f'{value:,.6g}'}" for name, value in figures.items())


def _machine(both: Servers, *, throwaway: bool) -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory_gib=round(memory / 2**30),
        os=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        postgres=both.postgres_version,
        postgres_where="throwaway, default settings" if throwaway else "--database-url",
        redis=both.redis.version() if both.redis else None,
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 2),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _commit() -> str | None:
    commit = output(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"])
    return None if commit == "unknown" else commit

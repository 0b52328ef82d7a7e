"""The counts by function, as a status tells them."""

from collections import defaultdict

from currant.protocol.status import FunctionStatus
from currant.supervisor.tally import Histogram, Key, Tally


def functions_of(tally: Tally) -> list[FunctionStatus]:
    """Returns a line for each queue and function, those that took the most time first."""
    finished: defaultdict[Key, dict[str, int]] = defaultdict(dict)
    for (queue, function, outcome), count in tally.finished.items():
        finished[queue, function][outcome] = count
    keys = {**tally.claimed, **finished, **tally.runs}
    nothing = Histogram()
    found = []
    for key in keys:
        waits, runs = tally.waits.get(key, nothing), tally.runs.get(key, nothing)
        found.append(
            FunctionStatus(
                queue=key[0],
                function=key[1],
                claimed=tally.claimed[key],
                started=tally.started[key],
                finished=finished.get(key, {}),
                timeouts=tally.timeouts[key],
                waits=sum(waits.counts),
                waits_s=waits.sum,
                runs=sum(runs.counts),
                runs_s=runs.sum,
                run_buckets=list(runs.counts),
            )
        )
    return sorted(found, key=lambda each: -each.runs_s)

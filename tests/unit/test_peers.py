"""The pure parts of `benchmarks/peers`: what is seen from outside, the table, the order of the rounds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers import notes
from benchmarks.peers.__main__ import _names, _numbers
from benchmarks.peers.errors import PeersError
from benchmarks.peers.page import BEGIN, END, renewed
from benchmarks.peers.results import Document, Machine, System, decode, encode, merged
from benchmarks.peers.run import CASES, Plan, steps
from benchmarks.peers.systems import PEERS
from benchmarks.peers.tables import better, ratios, tables
from benchmarks.peers.watch import STALL_S, until_done

ROOT = Path(__file__).parents[2]


def system(name: str, **figures: list[float | None]) -> System:
    return System(
        name=name,
        title=name.title(),
        version="1",
        settings="",
        figures={k.replace("_at_", "@"): v for k, v in figures.items()},
    )


def document(*systems: System) -> Document:
    machine = Machine(
        cpu="c", cores=2, memory_gib=1, os="o", postgres="18", postgres_where="w", redis=None, python="3", load=0.0
    )
    return Document(
        started="2026-01-01T00:00:00+00:00", commit=None, command=[], machine=machine, wait_s=90, systems=list(systems)
    )


class Backlog:
    """Jobs that are done at a steady rate from the second `begin_s` on; looking at them costs no time."""

    def __init__(self, jobs: int, rate: float, begin_s: float) -> None:
        self.now_s, self.looks = 0.0, 0
        self._jobs, self._rate, self._begin_s = jobs, rate, begin_s

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def left(self, guess: bool) -> int:
        self.looks += 1
        return max(0, self._jobs - int(self._rate * max(0.0, self.now_s - self._begin_s)))


def watch(backlog: Backlog, jobs: int, left: Callable[[bool], int] | None = None) -> float:
    return until_done(jobs, left or backlog.left, lambda: None, clock=backlog.clock, sleep=backlog.sleep).per_s


@pytest.mark.parametrize(("jobs", "rate"), [(20_000, 80_000.0), (200_000, 60_000.0), (20_000, 1_000.0)])
def test_a_steady_rate_is_found_with_few_looks(jobs: int, rate: float) -> None:
    backlog = Backlog(jobs, rate, begin_s=1.0)
    assert watch(backlog, jobs) == pytest.approx(rate, rel=0.05)
    assert backlog.looks < 100 + 60


def test_a_guess_of_nothing_left_is_not_believed() -> None:
    backlog = Backlog(200_000, 10_000.0, begin_s=0.0)
    assert watch(backlog, 200_000, lambda guess: 0 if guess else backlog.left(False)) == pytest.approx(10_000, rel=0.05)


def test_a_coarse_guess_is_no_stall() -> None:
    """A guess may be far below the truth, and then nothing seems to move for a while."""
    backlog = Backlog(200_000, 500.0, begin_s=0.0)
    assert watch(backlog, 200_000, lambda guess: 10_000 if guess else backlog.left(False)) > 0


def test_a_backlog_that_does_not_move_is_an_error() -> None:
    backlog = Backlog(1000, 0.0, begin_s=0.0)
    with pytest.raises(PeersError, match=f"within {STALL_S:g} s"):
        watch(backlog, 1000)


def test_a_backlog_that_gets_stuck_is_an_error() -> None:
    backlog = Backlog(1000, 100.0, begin_s=0.0)
    with pytest.raises(PeersError, match="400 of 1,000 jobs left"):
        watch(backlog, 1000, lambda guess: max(400, backlog.left(guess)))


def test_notes_are_read_from_all_processes(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("stamp 1.5\nran 20\n")
    (tmp_path / "2.txt").write_text("ran 22\nhold 7 1.0\n")
    assert notes.ran(tmp_path) == 42
    assert notes.lines(tmp_path, "stamp") == [["1.5"]]
    assert notes.lines(tmp_path, "hold") == [["7", "1.0"]]


COMPARED = (
    system("ours", drain_per_s_at_20000=[10_000.0, 30_000.0, 20_000.0], process_s=[0.1], cpu_us_at_20000=[9.0]),
    system("theirs", drain_per_s_at_20000=[25_000.0], process_s=[None], cpu_us_at_20000=[50.0]),
    system("slow", process_s=[25.0], server_cpu_us_at_20000=[3.0]),
)


def test_the_tables_show_medians_and_mark_the_best() -> None:
    drained, killed = tables(document(*COMPARED)).strip().split("\n\n", 1)[1].split("\n\n")[::2]
    assert drained.splitlines()[:4] == [
        "| | 20,000 jobs: /s | 20,000 jobs: CPU µs a job |",
        "|---|---|---|",
        "| Ours | 20,000 | **9** |",
        "| Theirs | **25,000** | 50 |",
    ]
    assert "Slow" not in drained
    assert killed.splitlines()[2:] == ["| Ours | **0.1** |", "| Theirs | over 90 |", "| Slow | 25.0 |"]


def test_where_others_are_better_is_said() -> None:
    assert better(document(*COMPARED), "ours") == "- 20,000 jobs: /s: Theirs 25,000; Currant 20,000\n"
    assert "nowhere" in better(document(*COMPARED[::2]), "ours")
    assert "nowhere" in better(document(system("ours", bulk_per_s=[100.0]), system("near", bulk_per_s=[104.0])), "ours")


def test_ratios_are_taken_within_a_round() -> None:
    text = ratios(
        document(
            system("ours", drain_per_s_at_20000=[10.0, 20.0, 30.0], bulk_per_s=[5.0]),
            system("theirs", drain_per_s_at_20000=[20.0, 40.0, 10.0], bulk_per_s=[1.0]),
        ),
        "ours",
    )
    assert text.splitlines() == [
        "20,000 jobs: /s: 0.50 (0.50 to 3.00) × Theirs's, worse",
        "in bulk: /s: 5.00 × Theirs's, better",
    ]
    assert ratios(document(system("theirs", bulk_per_s=[1.0])), "ours") == ""


def test_files_of_different_cases_are_put_together() -> None:
    first = document(system("ours", bulk_per_s=[1.0], process_s=[2.0]), system("theirs", bulk_per_s=[1.0]))
    both = merged([first, document(system("ours", process_s=[3.0]))])
    assert [each.name for each in both.systems] == ["ours", "theirs"]
    assert both.systems[0].figures == {"bulk_per_s": [1.0], "process_s": [3.0]}
    assert both.systems[1].figures == {"bulk_per_s": [1.0]}


def test_the_page_shows_the_figures_that_are_kept() -> None:
    page = (ROOT / "docs" / "peers.md").read_text()
    kept = ROOT / "benchmarks" / "peers" / "results.json"
    assert page == renewed(page, decode(kept.read_bytes())), (
        "run: python -m benchmarks.peers --show benchmarks/peers/results.json --page docs/peers.md"
    )


def test_the_page_keeps_what_people_wrote() -> None:
    page = renewed(f"before\n{BEGIN}old\n{END}after\n", document(*COMPARED))
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert "| Theirs | **25,000** | 50 |" in page
    assert renewed(page, document(*COMPARED)) == page
    with pytest.raises(PeersError, match="no part between"):
        renewed("nothing", document(*COMPARED))


def test_the_file_can_be_read_again() -> None:
    written = document(system("ours", process_s=[0.1, None]))
    assert decode(encode(written)) == written
    with pytest.raises(PeersError, match="no file of"):
        decode(b"{}")


def test_rounds_alternate_and_slow_systems_get_no_large_backlog() -> None:
    plan = Plan(
        peers=[PEERS["currant"], PEERS["celery"]],
        cases=["drain", "enqueue"],
        jobs=[2000, 200_000],
        rounds=2,
        rate=100,
        seconds=1,
        idle_processes=[2],
        wait_s=1.0,
        database_url=None,
    )
    first = [(step.what, step.peer.name) for step in steps(plan, 0)]
    assert first == [
        ("drain 2000", "currant"),
        ("drain 2000", "celery"),
        ("drain 200000", "currant"),
        ("enqueue", "currant"),
        ("enqueue", "celery"),
    ]
    assert [name for _, name in [(step.what, step.peer.name) for step in steps(plan, 1)]] == [
        "celery",
        "currant",
        "currant",
        "celery",
        "currant",
    ]


def test_every_case_has_steps_for_every_system() -> None:
    plan = Plan(list(PEERS.values()), CASES, [1000], 1, 100, 1, [2, 10], 1.0, None)
    assert len(steps(plan, 0)) == (len(CASES) + 1) * len(PEERS)


def test_options_that_make_no_sense_are_refused_by_name() -> None:
    with pytest.raises(PeersError, match="--peers: there is no 'currrant'"):
        _names("currrant", list(PEERS), "--peers")
    with pytest.raises(PeersError, match="--cases must name at least one"):
        _names("", list(CASES), "--cases")
    with pytest.raises(PeersError, match="--jobs must be a whole number, got 'many'"):
        _numbers("many", "--jobs", least=1)
    with pytest.raises(PeersError, match="--jobs must be at least 1000, got 1"):
        _numbers("1,2000", "--jobs", least=1000)

"""What the bench prints: the answer first, nothing that is not known, and failed checks loudly."""

import io
import re

import pytest
from rich.console import Console

from currant.bench.amounts import amount, bar, levels, merged, percent, size
from currant.bench.report import show
from currant.bench.results import Bucket, Check, Document, Run
from tests.unit.bench_documents import capacity, document, drain, environment, repeated, run, statement, steady, sweep


def printed(shown: Document, *, terminal: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    show(shown, Console(file=out, force_terminal=terminal, width=width, _environ={"TERM": "xterm"}))
    return out.getvalue()


def words(shown: Document) -> str:
    """Returns what is printed, with one blank for each gap: how wide a column is may change."""
    return re.sub(" +", " ", printed(shown))


def bare() -> Run:
    """Returns a run of which nothing is known that need not be."""
    names = ["label", "workers", "concurrency", "job", "queues", "payload_bytes", "jobs", "enqueued", "completed"]
    names += ["failed", "retries", "lost", "doubled", "warmup_jobs", "seconds", "throughput_per_s"]
    full = run()
    return Run(**{name: getattr(full, name) for name in names})


def test_the_default_command_fits_a_screen_of_80_columns() -> None:
    lines = printed(document()).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 50


def test_where_there_is_no_terminal_there_is_plain_text() -> None:
    assert "\x1b" not in printed(document())


def test_a_terminal_gets_the_same_text_with_styles() -> None:
    shown = printed(document(), terminal=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == printed(document())
    assert "\x1b[" in shown


def test_a_narrow_terminal_gets_whole_lines_that_it_breaks_itself() -> None:
    assert printed(document(), width=40) == printed(document())


def test_brackets_in_a_document_are_text() -> None:
    shown = printed(document(steady(answer="[red]half[/red] of them [/]")))
    assert "[red]half[/red] of them [/]" in shown


def test_a_document_does_not_control_the_terminal() -> None:
    shown = printed(document(steady(runs=[run("\x1b[2Jsteady\n\x9b")])), terminal=True)
    assert "?[2Jsteady??: " in re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_claims_and_completions_are_shown_among_many_statements() -> None:
    busy = [statement(f"s{number}", calls=9_000 + number, rows=1, mean_ms=0.1) for number in range(6)]
    shown = words(
        document(steady(runs=[run(statements=[*busy, *(each for each in run().statements if each.calls < 9_000)])]))
    )
    for name in ("s5 ", "s4 ", "claim ", "complete ", "5 others "):
        assert f" {name}" in shown
    assert " s3 " not in shown


def test_without_the_servers_counts_there_is_no_column_for_them() -> None:
    assert "by server" in printed(document(steady()))
    unseen = [statement("claim", calls=10, rows=10, mean_ms=0.1)]
    assert "by server" not in printed(document(steady(runs=[run(statements=unseen)])))


def test_numbers_that_only_a_mode_has_are_told_by_name() -> None:
    shown = printed(document(steady(runs=[run(extra={"table_bytes": 8_192.0, "claim_ms": 1.234})])))
    assert "also: table bytes 8,192, claim ms 1.23" in shown


def test_the_answer_comes_before_the_figures() -> None:
    shown = printed(document(steady()))
    assert shown.startswith("steady: At 1,000 jobs/s half of the jobs completed within 1.5 ms")
    assert shown.index("throughput") < shown.index("Currant 0.3.0")


def test_every_key_figure_of_a_run_is_words() -> None:
    shown = words(document(steady()))
    for text in (
        "throughput 1,000 jobs/s p5 988 p50 1,000 p95 1,012",
        "p50 p90 p95 p99 p99.9 max mean",
        "complete 1.52 2.13 2.43 4.10 8.21 12.2 1.67",
        "12.5 % busy min 11.0 median 12.5 max 14.0 ▁▁▂▂",
        "812 B/job",
        "640 ms/1,000 supervisor 121 children 305 Postgres 214",
        "272 MB peak supervisor 64 children 168 fork server 40",
        "claim 0.233 233 0.62 2,100 2,100",
        "enqueue (bench)",
        "In all runs: 0 failed, 0 retries, 0 connection errors\n✓ every check holds (2): every execution once, rate",
    ):
        assert text in shown


def test_a_drain_shows_its_floor_and_not_how_long_the_backlog_was() -> None:
    shown = words(document(capacity(runs=[drain()])))
    assert "39,600 jobs/s ratio 1.04; before 39,100, after 40,100" in shown
    assert "p99.9" not in shown
    assert "≤" not in shown


def test_what_is_not_known_is_left_out() -> None:
    shown = printed(document(steady(runs=[bare()]), environment=environment(commit=None)))
    for absent in ("None", "nan", "SQL floor", "p99", "WAL", "CPU ", "memory", "statements", "busy", "()", "✓"):
        assert absent not in shown


def test_postgres_out_of_sight_is_said_to_be() -> None:
    cpu = run().cpu_s_per_1000
    assert cpu is not None
    unseen = type(cpu)(supervisor=cpu.supervisor, children=cpu.children, postgres=None, bench=cpu.bench)
    assert "426 ms/1,000 supervisor 121 children 305 Postgres unseen" in words(
        document(steady(runs=[run(cpu_s_per_1000=unseen)]))
    )


def test_a_failed_check_is_told_in_full_at_the_end() -> None:
    failed = Check(name="every execution once", ok=False, text="of 10,000 executions 3 were lost")
    shown = printed(document(capacity(), steady(runs=[run(checks=[failed, *run().checks])])))
    assert "✗ FAILED steady, every execution once: of 10,000 executions 3 were lost" in shown
    assert shown.splitlines()[-1] == "✗ 1 of 5 checks FAILED: the figures of such a run mean nothing"
    assert "✓" not in shown


def test_a_failed_check_of_the_mode_itself_is_told_as_well() -> None:
    failed = Check(name="flat", ok=False, text="a claim at 1,000,000 costs 3.1 × one at 1,000")
    assert "✗ FAILED steady, flat: a claim at 1,000,000" in printed(document(steady(checks=[failed])))


def test_troubles_are_counted_where_they_were() -> None:
    shown = printed(document(steady(runs=[run(retries=3, connection_errors=2)])))
    assert re.search(r"trouble +3 retries, 2 connection errors", shown)
    assert shown.splitlines()[-2] == "In all runs: 0 failed, 3 retries, 2 connection errors"


def test_troubles_of_runs_in_a_table_are_counted_at_the_end() -> None:
    section = sweep()
    section.runs[3].connection_errors = 7
    assert "In all runs: 0 failed, 0 retries, 7 connection errors" in printed(document(section))


def test_a_machine_that_others_used_is_a_warning() -> None:
    assert "! The machine was busy" in printed(document(environment=environment(load=1.2)))
    assert "! The machine was busy" not in printed(document(environment=environment(load=0.9)))


def test_a_mode_with_a_table_of_its_own_shows_it_in_place_of_its_runs() -> None:
    lines = printed(document(sweep())).splitlines()
    assert "  rate       reached  p50 ms  p99 ms  held" in lines
    assert "  16,000/s  16,000/s     1.5     4.1   yes" in lines
    assert not any("throughput" in line for line in lines)


def test_many_runs_without_a_table_get_a_line_each() -> None:
    shown = printed(document(steady(runs=[run(f"run {number}", utilization=None) for number in range(5)])))
    assert re.search(r"run +jobs/s +p50 ms +p99 ms +busy % +statements/job", shown)
    assert re.search(r"run 4 +1,000 +1\.52 +4\.10 +1\.45", shown)


def test_figures_without_runs_are_shown_by_their_meaning() -> None:
    assert re.search(
        r"\.queue\(\) ÷ the bare INSERT +0\.913 ×", printed(document(steady(runs=[], figures={"enqueue_ratio": 0.913})))
    )


def test_repeats_tell_their_median_and_range() -> None:
    shown = printed(document(repeated(capacity(), "throughput_per_s", [40e3, 41e3, 44e3])))
    assert re.search(r"of 3 repeats +median +least +most", shown)
    assert re.search(r"throughput_per_s +41,000 +40,000 +44,000", shown)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    show(document(), Console(file=out, width=80))
    out.flush()
    assert b"########" in raw.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(0, "0"), (41_230.4, "41,230"), (99.96, "100"), (99.94, "99.9"), (9.996, "10.0"), (-12.34, "-12.3")],
        *[(1, "1.00"), (0.12345, "0.123"), (0.00012, "0.00012"), (0.00000123, "0.000001")],
    ],
)
def test_an_amount_has_the_digits_that_count(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0"), (1, "100"), (0.125, "12.5"), (0.9999, "99.99"), (0.00001, "<0.1"), (1.25, "125")]
)
def test_a_percentage_tells_nearly_from_wholly(share: float, text: str) -> None:
    assert percent(share) == text


def test_bytes_have_a_unit_with_which_they_are_short() -> None:
    assert [size(count) for count in (812.4, 12_345, 3.2e9)] == [("812", "B"), ("12.3", "kB"), ("3,200", "MB")]


def test_a_bar_shows_whatever_there_is() -> None:
    assert [bar(share, 4) for share in (0, 0.0001, 0.5, 1)] == ["", "▏", "██", "████"]
    assert levels([0, 0.5, 0.99, 1.0, 1.2]) == "▁▅███"


def test_merged_buckets_keep_all_latencies_and_the_bulk_fine() -> None:
    buckets = [Bucket(float(bound), count) for bound, count in enumerate([0, 1, 2, 50, 900, 40, 0, 1, 0, 2, 0], 1)]
    few = merged(buckets, 5)
    assert len(few) == 5
    assert sum(bucket.count for bucket in few) == 996
    assert Bucket(5.0, 900) in few
    assert few[-1].up_to_ms == 10.0
    assert merged(few, 12) == few
    assert merged([Bucket(1.0, 0)], 5) == []

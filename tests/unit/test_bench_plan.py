"""The bench's options: what they mean, and that a mistake is said by the option's name."""

from typing import Any

import pytest

from currant.bench.plan import MODES, Plan, QueueShare, Switches, make_plan
from currant.bench.uses import USES, check_used
from currant.errors import ConfigurationError


def plan(**options: Any) -> Plan:
    return make_plan(**{"workers": None, "default_workers": 2, **options})


def test_without_options_capacity_and_latency_are_measured() -> None:
    made = plan()
    assert (made.modes, made.workers, made.idle_workers, made.jobs) == (("capacity", "steady"), 2, 100, 10_000)
    assert plan(rate=500.0).modes == ("steady",)
    assert plan(modes="idle, ramp").modes == ("idle", "ramp")
    assert plan(workers=7).idle_workers == 7


@pytest.mark.parametrize(("workers", "counts"), [(1, (1,)), (2, (1, 2)), (8, (1, 2, 4, 8)), (10, (1, 2, 4, 8, 10))])
def test_scale_goes_up_to_the_workers(workers: int, counts: tuple[int, ...]) -> None:
    assert plan(workers=workers).scale_workers == counts
    assert plan(workers=workers, scale_workers="3,5").scale_workers == (3, 5)


def test_a_duration_alone_leaves_the_jobs_open() -> None:
    assert plan(duration_s=60.0).jobs is None
    assert plan(duration_s=60.0, jobs=50_000).jobs == 50_000


def test_queues_get_their_shares() -> None:
    assert plan(queues="a,b", queue_distribution="70,30").queues == (QueueShare("a", 0.7), QueueShare("b", 0.3))
    assert plan(queues="a,b").queues == (QueueShare("a", 0.5), QueueShare("b", 0.5))


@pytest.mark.parametrize(("rows", "percent", "warmup"), [(1000, 10, 100), (1, 99, 0), (0, 10, 0), (3, 99, 2)])
def test_at_least_one_row_is_measured(rows: int, percent: float, warmup: int) -> None:
    assert plan(warmup_percent=percent).warmup_rows(rows) == warmup


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "--workers must be an integer from 1 to 1000, got 0"),
        ({"concurrency": 0}, "--concurrency must be an integer from 1 to 4096, got 0"),
        ({"jobs": 0}, "--jobs must be an integer from 1 to 100000000, got 0"),
        ({"jobs": -5}, "--jobs must be an integer from 1 to 100000000, got -5"),
        ({"duration_s": 0.0}, "--duration must be greater than 0 and at most 86,400 seconds, got 0"),
        ({"warmup_percent": 100.0}, "--warmup-percent must be at least 0 and less than 100, got 100"),
        ({"warmup_percent": float("nan")}, "--warmup-percent must be at least 0 and less than 100, got nan"),
        ({"rate": float("nan")}, "--rate must be greater than 0 and at most 1,000,000 jobs a second, got nan"),
        ({"modes": "drain"}, "--mode must be capacity, steady, sweep, scale, idle, ramp, phases or enqueue, got drain"),
        ({"modes": "idle,idle"}, "--mode must name each mode once, got idle,idle"),
        ({"queues": "a,a"}, "--queues must be 1 to 100 different names with commas, got a,a"),
        ({"queues": "a,"}, "a queue's name must have 1 to 63 bytes, got ''"),
        ({"queue_distribution": "70,30"}, "--queue-distribution needs --queues"),
        (
            {"queues": "a,b", "queue_distribution": "70"},
            "--queue-distribution must have a number greater than 0 for each queue, as in 70,30, got 70",
        ),
        (
            {"queues": "a,b", "queue_distribution": "70,x"},
            "--queue-distribution must have a number greater than 0 for each queue, as in 70,30, got 70,x",
        ),
        ({"arrivals": "odd"}, "--arrivals must be even or poisson, got odd"),
        ({"enqueue": "all"}, "--enqueue must be single or many, got all"),
        ({"enqueuers": 0}, "--enqueuers must be an integer from 1 to 100000, got 0"),
        ({"switches": Switches(claim_batch=2501)}, "--claim-batch must be an integer from 1 to 2500, got 2501"),
        ({"switches": Switches(poll_s=0.001)}, "--poll must be at least 0.01 seconds, got 0.001"),
        ({"repeat": 0}, "--repeat must be an integer from 1 to 100, got 0"),
        ({"seed": -1}, "--seed must be an integer from 0 to 2147483647, got -1"),
        ({"payload_bytes": -1}, "--payload-bytes must be an integer from 0 to 1047552, got -1"),
        ({"scale_workers": "4,2"}, "--scale-workers must be growing integers from 1 to 1000 with commas, got 4,2"),
        ({"ramp_rows": "1k"}, "--backlogs must be growing integers from 500 to 100000000 with commas, got 1k"),
        (
            {"ramp_rows": "100,1000"},
            "--backlogs must be growing integers from 500 to 100000000 with commas, got 100,1000",
        ),
    ],
)
def test_a_mistake_is_told_by_the_options_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        plan(**options)
    assert str(refused.value) == message


def test_an_option_that_means_nothing_to_the_modes_is_refused() -> None:
    check_used(["--rate", "--seed", "--json"], ["ramp", "steady"])
    with pytest.raises(ConfigurationError) as refused:
        check_used(["--repeat", "--rate"], ["ramp", "idle"])
    assert str(refused.value) == "--rate is for --mode phases, steady or sweep, and means nothing to ramp, idle"
    with pytest.raises(ConfigurationError) as refused:
        check_used(["--backlogs"], ["capacity"])
    assert str(refused.value) == "--backlogs is for --mode ramp, and means nothing to capacity"


def test_uses_name_modes_that_there_are() -> None:
    assert set[str]().union(*USES.values()) <= set(MODES)

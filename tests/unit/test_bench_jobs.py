"""What the bench's jobs are, and that each does what it says."""

import asyncio
import time

import pytest

from currant.bench import jobs
from currant.bench.jobs import JobSpec, MeantToFail, make_spec
from currant.errors import ConfigurationError
from tests.support import in_loop


def test_options_make_a_spec_and_its_text() -> None:
    assert make_spec() == JobSpec()
    assert make_spec("sleep", sleep_ms=20).text == "sleep 20 ms"
    assert make_spec("cpu").text == "cpu 5 ms"
    assert make_spec("io", io_bytes=100_000).text == "io 100,000 bytes"
    assert make_spec("fail", fail_percent=10, retries=2).text == "fail 10 %, 2 retries"
    mixed = make_spec("mixed", mix="noop=3, sleep=1", sleep_ms=7)
    assert mixed.parts == (("noop", 0.75), ("sleep", 0.25))
    assert mixed.text == "mixed: 75 % noop, 25 % sleep 7 ms"
    assert sum(share for _, share in make_spec("mixed").parts) == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("nap", {}, "--job-type must be noop, sleep, cpu, io, fail or mixed, got nap"),
        ("noop", {"sleep_ms": 5}, "--sleep-ms needs --job-type sleep, or mixed with it in --mix"),
        ("mixed", {"retries": 5}, "--retries needs --job-type fail, or mixed with it in --mix"),
        (None, {"mix": "noop=1"}, "--mix needs --job-type mixed"),
        ("sleep", {"sleep_ms": -1}, "--sleep-ms must be from 0 to 20,000, got -1"),
        ("cpu", {"cpu_ms": float("nan")}, "--cpu-ms must be from 0 to 250, got nan"),
        ("io", {"io_bytes": 0}, "--io-bytes must be from 1 to 67,108,864, got 0"),
        ("fail", {"fail_percent": 101}, "--fail-percent must be from 0 to 100, got 101"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(kind: str | None, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_spec(kind, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "mix", ["", "noop", "noop=0", "noop=1,noop=2", "mixed=1", "noop=x", "noop=1,,sleep=2", "a=b=c"]
)
def test_a_mix_that_is_none_is_refused(mix: str) -> None:
    with pytest.raises(ConfigurationError, match="--mix must have different ones of noop, sleep, cpu, io, fail"):
        make_spec("mixed", mix=mix)


@in_loop
async def test_jobs_return_when_they_began_and_take_what_they_say() -> None:
    assert await jobs.noop() is None  # type: ignore[func-returns-value]
    before_s = time.time()
    began_s, slept = time.monotonic(), await jobs.sleep(30)
    assert time.monotonic() - began_s >= 0.03
    used_s, computed = time.thread_time(), await jobs.cpu(20)
    assert time.thread_time() - used_s >= 0.02
    moments = [
        before_s,
        slept,
        computed,
        await jobs.io(1 << 20),
        await jobs.stamp(),
        await jobs.fail(False),
        time.time(),
    ]
    assert moments == sorted(moments)


@in_loop
async def test_io_jobs_run_beside_each_other() -> None:
    await asyncio.gather(*(jobs.io(100_000, "payload") for _ in range(20)))


@in_loop
async def test_a_failing_job_fails() -> None:
    with pytest.raises(MeantToFail):
        await jobs.fail(True, "payload")

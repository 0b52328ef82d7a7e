"""What is shown of latencies and rates."""

import random

import pytest

from currant.bench.percentiles import course, histogram, percentiles, spread


def test_percentiles_are_latencies_that_so_many_are_not_above() -> None:
    found = percentiles([float(each) for each in random.Random(1).sample(range(1, 1001), 1000)])
    assert found is not None
    assert (found.p50, found.p90, found.p95, found.p99, found.p999, found.max) == (500, 900, 950, 990, 999, 1000)
    assert (found.count, found.mean) == (1000, 500.5)


def test_percentiles_of_one_are_it_and_of_none_there_are_none() -> None:
    found = percentiles([3.5])
    assert found is not None
    assert {found.p50, found.p99, found.p999, found.max, found.mean} == {3.5}
    assert percentiles([]) is None
    assert histogram([]) == []


def test_histogram_counts_every_latency_once_in_buckets_that_are_the_same_for_all() -> None:
    latencies = [0.0, 0.4, 1.0, 1.01, 1.5, 2.5, 480.0]
    buckets = histogram(latencies)
    assert sum(bucket.count for bucket in buckets) == len(latencies)
    assert buckets[0].count
    assert (buckets[-1].up_to_ms, buckets[-1].count) == (500, 1)
    counts = {bucket.up_to_ms: bucket.count for bucket in buckets}
    assert (counts[0.5], counts[1], counts[1.5], counts[2], counts[3], counts[100]) == (1, 1, 2, 0, 1, 0)
    assert list(counts) == sorted(counts)
    assert {bucket.up_to_ms for bucket in histogram([2.5, 480.0])} < counts.keys()


@pytest.mark.parametrize("seed", range(20))
def test_histogram_puts_each_latency_between_its_buckets_bounds(seed: int) -> None:
    source = random.Random(seed)
    latencies = [10 ** source.uniform(-3, 6) for _ in range(200)]
    bounds = [0.0, *(bucket.up_to_ms for bucket in histogram(latencies))]
    for bucket, low, high in zip(histogram(latencies), bounds, bounds[1:], strict=False):
        if low:
            assert bucket.count == sum(low < latency <= high for latency in latencies)
    assert sum(bucket.count for bucket in histogram(latencies)) == 200


def test_spread_shows_a_second_in_which_nothing_happened() -> None:
    moments = [second + part / 100 for second in range(20) if second != 7 for part in range(100)]
    found = spread(moments, 0.0, 20.0)
    assert found is not None
    assert (found.p5, found.p50, found.p95, found.parts, found.part_s) == (0, 100, 100, 20, 1)


def test_spread_of_a_short_run_has_ten_parts_and_of_a_moment_there_is_none() -> None:
    found = spread([0.0, 0.05, 0.1], 0.0, 0.1)
    assert found is not None
    assert found.part_s * found.parts == pytest.approx(0.1)
    assert found.parts == 10
    assert spread([5.0, 5.0], 5.0, 5.0) is None


def test_course_has_the_percentiles_of_each_part_and_none_where_nothing_ended() -> None:
    found = course([0.5, 1.0, 2.5], [10.0, 20.0, 30.0], [0.0, 1.0, 2.0, 3.0])
    assert [each and (each.count, each.max) for each in found] == [(2, 20.0), None, (1, 30.0)]

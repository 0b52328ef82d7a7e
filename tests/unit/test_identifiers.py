"""Ids are unique, sort in the order of their making, and are version 7 UUIDs."""

import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from currant.identifiers import new_ids, new_node_id


@given(st.lists(st.integers(0, 500), max_size=20))
def test_ids_sort_in_the_order_of_their_making_and_are_unique(counts: list[int]) -> None:
    ids = [id for count in counts for id in new_ids(count)]
    assert len(ids) == sum(counts)
    assert ids == sorted(set(ids))


def test_an_id_is_job_and_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    ids = new_ids(1000)
    after = time.time_ns() // 1_000_000
    for id in ids:
        prefix, digits = id.split("_")
        parsed = uuid.UUID(hex=digits)
        assert (prefix, len(digits), parsed.version, parsed.variant) == ("job", 32, 7, uuid.RFC_4122)
        # A clock that was set back does not set the ids back, so the time may be a later one than now.
        assert before <= parsed.int >> 80 <= max(after, before + 1)


def test_no_id_is_given_twice_by_threads() -> None:
    start = threading.Barrier(8)

    def make(_: int) -> list[str]:
        start.wait()
        return [id for _ in range(300) for id in new_ids(7)]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    everything = [id for ids in made for id in ids]
    assert len(set(everything)) == len(everything) == 8 * 300 * 7
    assert all(ids == sorted(ids) for ids in made)


def test_no_id_is_given_twice_by_forked_processes() -> None:
    new_ids(1)
    pipes = []
    for _ in range(4):
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            # At once, in the millisecond of the state that all of them share.
            os.write(writing, "\n".join(new_ids(100)).encode())
            os._exit(0)
        os.close(writing)
        pipes.append((reading, pid))
    everything = new_ids(100)
    for reading, pid in pipes:
        with os.fdopen(reading) as stream:
            everything += stream.read().split("\n")
        os.waitpid(pid, 0)
    assert len(set(everything)) == len(everything) == 500


def test_node_ids_are_new_at_each_boot() -> None:
    assert len({new_node_id() for _ in range(100)}) == 100
    assert new_node_id().startswith("node_")

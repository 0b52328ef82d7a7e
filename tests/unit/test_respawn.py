"""When a child is started again, and when its place rests."""

import random

from hypothesis import given
from hypothesis import strategies as st

from currant.supervisor.places import Places, Role
from currant.supervisor.respawn import (
    BOOT_FAILURES_MAX,
    BOOT_FAILURES_S,
    DEATHS_MAX,
    FORKS_PER_MINUTE,
    REST_S,
    BootFailures,
    Respawn,
)


def make(jitter: float = 1.0) -> Respawn:
    return Respawn(random=lambda: jitter)


def test_the_first_restart_is_at_once_and_each_further_failure_doubles_the_wait() -> None:
    respawn = make()
    waits, now = [], 0.0
    for _ in range(12):
        waits.append(respawn.died(0, now, proven=False, places=1).delay_s)
        now += 20
    assert waits == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]


def test_the_wait_is_jittered_down_to_half() -> None:
    respawn = make(jitter=0.0)
    assert [respawn.died(0, 0.0, proven=False, places=1).delay_s for _ in range(3)] == [0.0, 0.1, 0.2]


def test_each_place_has_waits_of_its_own_and_one_that_worked_begins_anew() -> None:
    respawn = make()
    for _ in range(4):
        respawn.died(0, 0.0, proven=False, places=2)
    assert respawn.died(1, 0.0, proven=False, places=2).delay_s == 0.0
    assert respawn.died(0, 0.0, proven=True, places=2).delay_s == 0.0
    respawn.died(0, 0.0, proven=False, places=2)
    respawn.forget(0)
    assert respawn.died(0, 0.0, proven=False, places=2).delay_s == 0.0


def test_a_place_with_too_many_deaths_rests_however_well_its_children_began() -> None:
    respawn = make()
    waits = [respawn.died(0, number * 1.0, proven=True, places=1) for number in range(DEATHS_MAX)]
    assert [wait.resting for wait in waits] == [False] * (DEATHS_MAX - 1) + [True]
    assert waits[-1].delay_s == REST_S
    assert not respawn.died(0, 50.0, proven=True, places=1).resting


def test_deaths_that_lie_apart_give_no_rest() -> None:
    respawn = make()
    assert not any(respawn.died(0, number * 10.0, proven=True, places=1).resting for number in range(100))


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_the_node_starts_only_so_many_a_minute_in_place_of_dead_ones(places: int, seed: int) -> None:
    source = random.Random(seed)
    respawn = Respawn(random=source.random)
    starts, now = [], 1000.0
    for _ in range(1000):
        now += source.random() * 0.1
        wait = respawn.died(source.randrange(places), now, proven=source.random() < 0.5, places=places)
        starts.append(now + wait.delay_s)
    a_minute = max(FORKS_PER_MINUTE, 2 * places)
    starts.sort()
    # The whole budget at once, what comes to it within the minute, and what waited longer than it had to.
    assert all(later - before >= 60 - 1e-6 for before, later in zip(starts, starts[3 * a_minute :], strict=False))


def test_a_place_that_has_failed_for_weeks_still_waits_half_a_minute() -> None:
    respawn = make()
    assert all(respawn.died(0, number * 40.0, proven=False, places=1).delay_s <= 30 for number in range(5000))


def test_five_failed_boots_within_a_minute_are_too_many() -> None:
    failures = BootFailures()
    assert [failures.failed(number) for number in range(BOOT_FAILURES_MAX)] == [False] * 4 + [True]
    failures.succeeded()
    assert not failures.failed(5.0)
    spread = BootFailures()
    assert not any(spread.failed(number * BOOT_FAILURES_S / 4) for number in range(20))


def test_places_take_the_lowest_free_number() -> None:
    places = Places()
    assert [places.open(Role.WORK).number for _ in range(3)] == [0, 1, 2]
    assert places.open(Role.QUARANTINE).number == 3
    places.close(1)
    assert places.open(Role.WORK).number == 1
    assert (places.numbers(Role.WORK), places.numbers(Role.QUARANTINE), len(places)) == ([0, 1, 2], [3], 4)


def test_a_child_that_is_ready_takes_the_place_of_the_one_it_replaces() -> None:
    places = Places()
    place = places.open(Role.WORK)
    place.seat(10)
    assert places.succeed(0, 10) is None
    place.seat(11)
    assert (place.child, place.coming) == (10, 11)
    assert places.succeed(0, 11) == 10
    assert (place.child, place.coming) == (11, None)
    # The one before is nobody's any more.
    assert places.vacate(0, 10) is None


def test_a_place_that_is_vacated_falls_to_the_child_that_is_coming() -> None:
    places = Places()
    place = places.open(Role.WORK)
    place.seat(10)
    place.seat(11)
    assert places.vacate(0, 10) is place
    assert (place.child, place.coming) == (11, None)
    assert places.vacate(0, 11) is place
    assert (place.child, place.coming) == (None, None)
    place.seat(12)
    place.seat(13)
    assert places.vacate(0, 13) is place
    assert (place.child, place.coming) == (12, None)

"""Cron expressions: what is refused, and which moments they name, also where the clocks change."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant import ConfigurationError, RegistrationError, job
from currant.cron import check_cron, next_after
from currant.registry import registry

BERLIN = "Europe/Berlin"


def moments(cron: str, timezone: str, after: str, count: int) -> list[str]:
    """Returns the moments that follow one another, as that time zone's clock and its offset say them."""
    zone = ZoneInfo(timezone)
    found = []
    moment_s = datetime.fromisoformat(after).timestamp()
    for _ in range(count):
        moment_s = next_after(cron, timezone, moment_s)
        found.append(datetime.fromtimestamp(moment_s, zone).strftime("%d %H:%M:%S %z"))
    return found


def test_moments_are_by_the_clock_of_the_time_zone() -> None:
    assert moments("*/5 * * * *", "UTC", "2026-01-01T00:03:20+00:00", 2) == ["01 00:05:00 +0000", "01 00:10:00 +0000"]
    assert moments("30 8 * * MON", BERLIN, "2026-01-01T00:00:00+00:00", 1) == ["05 08:30:00 +0100"]
    assert moments("0 0 1 * *", "Asia/Kolkata", "2026-01-01T00:00:00+00:00", 1) == ["01 00:00:00 +0530"]
    assert moments("*/20 * * * * *", "UTC", "2026-01-01T00:00:00+00:00", 2) == [
        "01 00:00:20 +0000",
        "01 00:00:40 +0000",
    ]


def test_last_days_and_numbered_weekdays_are_understood() -> None:
    assert moments("0 0 L * *", "UTC", "2026-02-01T00:00:00+00:00", 1) == ["28 00:00:00 +0000"]
    assert moments("0 0 * * MON#2", "UTC", "2026-02-01T00:00:00+00:00", 1) == ["09 00:00:00 +0000"]


def test_the_moment_itself_is_over() -> None:
    assert next_after("* * * * *", "UTC", 60.0) == 120.0
    assert next_after("* * * * *", "UTC", 59.999) == 60.0


# On 29 March 2026 Berlin's clocks go from 02:00 (+1) to 03:00 (+2).


def test_a_fixed_time_in_the_hour_that_is_left_out_comes_right_after_it() -> None:
    found = moments("30 2 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 2)
    assert found == ["29 03:00:00 +0200", "30 02:30:00 +0200"]


def test_what_is_repeated_goes_on_by_real_time_over_the_hour_that_is_left_out() -> None:
    found = moments("*/30 * * * *", BERLIN, "2026-03-29T01:15:00+01:00", 2)
    assert found == ["29 01:30:00 +0100", "29 03:00:00 +0200"]
    # Hours that begin with a star, and seconds: what is left out is left out.
    assert moments("0 */2 * * *", BERLIN, "2026-03-29T00:30:00+01:00", 1) == ["29 04:00:00 +0200"]
    assert moments("0 30 2 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 1) == ["30 02:30:00 +0200"]


# On 25 October 2026 they go from 03:00 (+2) back to 02:00 (+1).


def test_a_fixed_time_in_the_hour_that_comes_twice_comes_once() -> None:
    found = moments("30 2 * * *", BERLIN, "2026-10-24T12:00:00+02:00", 2)
    assert found == ["25 02:30:00 +0200", "26 02:30:00 +0100"]


def test_what_is_repeated_comes_in_both_hours() -> None:
    found = moments("*/30 * * * *", BERLIN, "2026-10-25T02:15:00+02:00", 4)
    assert found == ["25 02:30:00 +0200", "25 02:00:00 +0100", "25 02:30:00 +0100", "25 03:00:00 +0100"]
    assert moments("0 30 2 * * *", BERLIN, "2026-10-24T12:00:00+02:00", 2) == ["25 02:30:00 +0200", "25 02:30:00 +0100"]


def test_a_run_made_up_for_in_the_second_of_the_two_hours_does_not_lead_back_to_the_first() -> None:
    # By the clock on the wall 02:15, the second time, is before 02:30.
    assert moments("30 2 * * *", BERLIN, "2026-10-25T02:15:00+01:00", 1) == ["26 02:30:00 +0100"]


@given(
    st.sampled_from(
        ["30 2 * * *", "*/30 * * * *", "0 */2 * * *", "15,45 1-3 * * *", "0 30 2 * * *", "7 * 25,29 3,10 *"]
    ),
    st.floats(min_value=1.76e9, max_value=1.80e9),
)
def test_moments_only_go_forward(cron: str, after_s: float) -> None:
    found = [after_s]
    for _ in range(5):
        found.append(next_after(cron, BERLIN, found[-1]))
    assert all(one < other for one, other in pairwise(found))


@pytest.mark.parametrize(
    "cron",
    [
        *(
            "",
            "*",
            "* * * *",
            "* * * * * * *",
            "@daily",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
        ),
        *("*/0 * * * *", "5-1 * * * *", "a * * * *", "0 0 30 2 *", "9" * 5000 + " * * * *", "- * * * *", "* * * * 1#6"),
        *(5, None, b"* * * * *"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_would_be(cron: Any) -> None:
    with pytest.raises(ConfigurationError, match="cron "):
        check_cron(cron, "UTC")


def test_an_expression_that_never_comes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"cron (must have five fields|names no moment)"):
        check_cron("0 0 31 2,4 *", "UTC")


@pytest.mark.parametrize("timezone", ["", "Berlin", "Europe", "../../etc/passwd", "/etc/localtime", "UTC+1", 5, "a\0b"])
def test_what_is_no_time_zone_is_refused(timezone: Any) -> None:
    with pytest.raises(ConfigurationError, match="timezone must be a name of the IANA database, as in 'Europe/Berlin'"):
        check_cron("* * * * *", timezone)


def test_a_schedule_is_part_of_the_definition() -> None:
    @job(cron="0 3 * * *", timezone=BERLIN, name="tests.nightly")
    async def nightly(days: int = 1) -> None: ...

    @job(cron="0 3 * * *", name="tests.nightly_by_utc")
    def nightly_by_utc(*args: int, **options: int) -> None: ...

    definition, other = registry.get("tests.nightly"), registry.get("tests.nightly_by_utc")
    assert definition is not None
    assert other is not None
    assert (definition.cron, definition.timezone) == ("0 3 * * *", BERLIN)
    assert (other.cron, other.timezone) == ("0 3 * * *", "UTC")


def test_a_function_that_needs_arguments_cannot_run_by_itself() -> None:
    with pytest.raises(RegistrationError, match=r"called without arguments.*'days'.*give them defaults"):

        @job(cron="0 3 * * *", name="tests.needy")
        async def needy(days: int) -> None: ...

    assert registry.get("tests.needy") is None


def test_a_bad_schedule_is_refused_where_it_is_written() -> None:
    def refused(**schedule: Any) -> None:
        with pytest.raises(ConfigurationError):
            job(**schedule, name="tests.bad")(lambda: None)

    refused(cron="@hourly")
    refused(cron="* * * * *", timezone="Mars")
    refused(cron="* * * * *", timezone="")
    refused(timezone=BERLIN)
    assert registry.get("tests.bad") is None


def test_moments_of_utc_need_no_database_of_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("currant.cron.ZoneInfo", None)
    assert next_after("0 0 * * *", "UTC", datetime(2026, 1, 1, 5, tzinfo=UTC).timestamp()) == 1767312000.0

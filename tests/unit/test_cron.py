"""Cron expressions: when they are due, daylight saving included, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.config.cron import Cron, cron_of, due_after, find_zone

BERLIN = ZoneInfo("Europe/Berlin")
"""In 2026 clocks are set forward there on March 29 from 02:00 to 03:00, and back on October 25 from 03:00 to 02:00."""


def at(*parts: int, fold: int = 0) -> float:
    return datetime(*parts, fold=fold, tzinfo=BERLIN).timestamp()  # type: ignore[arg-type, misc]


def local_times(cron: Cron, after: float, count: int) -> list[str]:
    found = []
    for _ in range(count):
        after = cron.after(after)
        found.append(cron.local(after).strftime("%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["29 03:00+0200", "30 02:30+0200"]),  # not there: the first moment after the gap
        ("0 3 * * *", ["29 03:00+0200", "30 03:00+0200"]),
        ("0 2,3 * * *", ["29 03:00+0200", "30 02:00+0200"]),  # both are one moment, and due once
        ("*/30 1-3 * * *", ["29 01:00+0100", "29 01:30+0100", "29 03:00+0200", "29 03:30+0200", "30 01:00+0200"]),
        ("15 * * * *", ["29 00:15+0100", "29 01:15+0100", "29 03:15+0200"]),  # 02:15 is not there
    ],
)
def test_where_the_clock_is_set_forward(expression: str, expected: list[str]) -> None:
    assert local_times(Cron(expression, "Europe/Berlin"), at(2026, 3, 29), len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["25 02:30+0200", "26 02:30+0100"]),  # there twice, and due once
        ("0 3 * * *", ["25 03:00+0100", "26 03:00+0100"]),
        ("*/30 2 * * *", ["25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100", "26 02:00+0100"]),
        ("15 * * * *", ["25 00:15+0200", "25 01:15+0200", "25 02:15+0200", "25 02:15+0100", "25 03:15+0100"]),
    ],
)
def test_where_the_clock_is_set_back(expression: str, expected: list[str]) -> None:
    assert local_times(Cron(expression, "Europe/Berlin"), at(2026, 10, 25), len(expected)) == expected


def test_within_the_hour_that_comes_twice_time_only_goes_forward() -> None:
    second = at(2026, 10, 25, 2, 10, fold=1)

    assert local_times(Cron("30 2 * * *", "Europe/Berlin"), second, 1) == ["26 02:30+0100"]
    assert local_times(Cron("30 * * * *", "Europe/Berlin"), second, 1) == ["25 02:30+0100"]


def test_a_zone_is_the_one_of_the_schedule_and_not_of_the_host() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    hours = [(Cron("0 12 * * *", zone).after(moment) - moment) / 3600 for zone in ("UTC", "Asia/Tokyo", "America/Lima")]

    assert hours == [12, 3, 17]


def test_names_are_known_in_any_case() -> None:
    moment = datetime(2026, 5, 5, 5, 5, tzinfo=UTC).timestamp()

    assert Cron("@Daily").after(moment) == Cron("0 0 * * *").after(moment)
    assert Cron(" @hourly ").words == "At the start of every hour"
    assert Cron("@weekly").words == "At 00:00 on Sunday"


@given(
    st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 */5 * * 1", "0 0 29 2 *", "*/20 * * * * *", "@monthly"]
    ),
    st.floats(at(2026, 1, 1), at(2027, 1, 1)),
    st.floats(0, 20_000),
)
def test_the_newest_due_time_is_the_last_one_between(expression: str, after: float, seconds: float) -> None:
    cron = cron_of(expression, "Europe/Berlin")
    between = list(cron.between(after, after + seconds))

    assert cron.newest(after, after + seconds) == (between[-1] if between else None)
    assert all(after < due <= after + seconds for due in between)
    assert between == sorted(set(between))
    assert due_after(expression, "Europe/Berlin", after) > after


def test_the_newest_is_found_at_once_after_years_of_seconds() -> None:
    assert Cron("* * * * * *").newest(0.0, 1_800_000_000.5) == 1_800_000_000


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 25 * * *", "the hour (field 2, column 3) is '25': must be 0 to 23; or *, lists, a-b, */step"),
        ("5,10,61 * * * *", "the minute (field 1, column 6) is '61': must be 0 to 59; or *, lists, a-b, */step"),
        ("0  0 32 * *", "the day of the month (field 3, column 6) is '32': must be 1 to 31, L for the last one"),
        ("0 0 * foo *", "the month (field 4, column 7) is 'foo': must be 1 to 12, or JAN to DEC"),
        ("0 0 * * 8", "the day of the week (field 5, column 9) is '8': must be 0 to 7 (0 and 7 are Sunday)"),
        ("61 * * * * *", "the second (field 1, column 1) is '61': must be 0 to 59"),
        ("*/0 * * * *", "after the slash there must be a number of at least 1"),
        ("50-10 * * * *", "a range goes from the lower to the higher"),
        ("5, * * * *", "there is nothing between two commas"),
        ("0 0 * *", "it has 4 fields, and needs 5: minute, hour, day of the month, month, day of the week"),
        ("x", "it has 1 field, and needs 5"),
        ("", "it has 0 fields, and needs 5"),
        ("0 0 30 2 *", "it is never due: no such month has so many days"),
        ("@reboot", "no such name: those that are known are @yearly, "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(expression: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked at
        Cron(expression)

    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("berlin", "did you mean 'Europe/Berlin'?"),
        ("../etc/passwd", "zones are named as in"),
        ("", "zones are named as in"),
    ],
)
def test_a_zone_that_is_not_there_is_refused(zone: str, hint: str) -> None:
    with pytest.raises(ValueError, match="no such time zone") as caught:
        find_zone(zone)

    assert hint in str(caught.value)

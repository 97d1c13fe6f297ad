"""Rises of counters within a minute, from a few notes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.histogram import tally
from snqmon.model.latency import Latency
from snqmon.model.minute import SECONDS, Minute


def test_a_rate_is_over_the_last_minute() -> None:
    minute = Minute()
    for at in range(0, 301, 5):
        minute.note(at, (at * 2.0 if at <= 200 else 400.0 + (at - 200) * 10.0,))

    assert minute.rates(300, (1400.0,)) == pytest.approx((10.0,))


def test_a_rate_is_not_known_before_a_second_has_passed() -> None:
    minute = Minute()
    minute.note(10.0, (5.0,))

    assert minute.rates(10.5, (9.0,)) is None
    assert minute.rates(12.0, (9.0,)) == (2.0,)


def test_what_rose_long_ago_is_over() -> None:
    minute = Minute()
    minute.note(0, (0.0,))
    for at in range(5, 200, 5):
        minute.note(at, (50.0,))

    assert minute.rates(200, (50.0,)) == (0.0,)


def test_a_burst_after_a_long_rest_is_a_minutes_rate_and_not_that_of_the_rest() -> None:
    minute = Minute()
    for at in range(0, 601, 5):
        minute.note(at, (7.0,))
    minute.note(605, (127.0,))

    assert minute.rates(606, (127.0,)) == pytest.approx((120.0 / SECONDS,))


def test_a_new_life_begins_anew() -> None:
    minute = Minute()
    minute.note(0, (1000.0,), life=1)
    minute.note(10, (2000.0,), life=1)
    minute.note(15, (3.0,), life=2)

    assert minute.rates(20, (13.0,)) == (2.0,)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 50)), min_size=2, max_size=60))
def test_a_rise_is_never_less_than_of_the_last_minute_nor_more_than_since_the_note_before(
    steps: list[tuple[int, int]],
) -> None:
    minute = Minute()
    at, count = 0.0, 0.0
    past = [(at, count)]
    minute.note(at, (count,))
    for seconds, more in steps:
        at, count = at + seconds, count + more
        past.append((at, count))
        minute.note(at, (count,))

    found = minute.since(at)

    assert found is not None
    seconds_ago, (before,) = found
    since = [value for when, value in past if when <= at - SECONDS]
    assert before == (since[-1] if since else 0.0)
    assert seconds_ago >= min(SECONDS, at)
    assert len(minute._notes) <= SECONDS + 2


def test_percentiles_are_of_what_came_within_the_last_minute() -> None:
    latency = Latency()
    fast = tuple(number for bucket in tally([0.001] * 100) for number in bucket)
    both = tuple(number for bucket in tally([0.001] * 100 + [2.0] * 10) for number in bucket)
    latency.note(0.0, fast)

    step = latency.note(5.0, both)
    assert step.p50 == pytest.approx(2.0, rel=0.2)
    assert latency.minute.p50 == pytest.approx(2.0, rel=0.2)
    assert latency.ever.p50 == pytest.approx(0.001, rel=0.2)

    for at in range(10, 80, 5):
        assert not latency.note(float(at), both).is_known

    assert not latency.minute.is_known
    assert latency.ever.is_known

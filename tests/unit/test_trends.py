"""Rates from counters: windows, new boots, gaps, and bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.trends import Trend


def noted(*notes: tuple[float, float]) -> Trend:
    trend = Trend()
    for at, value in notes:
        trend.note(at, value)
    return trend


def steady(seconds: int, per_second: float, step: float = 1.0) -> Trend:
    return noted(*((number * step, number * step * per_second) for number in range(round(seconds / step) + 1)))


def test_one_note_is_no_trend() -> None:
    assert noted().rate(60) is None
    assert noted((0.0, 5.0)).rate(60) is None
    assert noted((0.0, 5.0), (0.0, 6.0)).increase(60) is None


@pytest.mark.parametrize("window", [1, 10, 60, 120, 300, 1200])
@pytest.mark.parametrize("step", [0.05, 0.25, 1.0, 3.0])
def test_a_steady_counter_has_the_same_rate_over_every_window(window: float, step: float) -> None:
    assert steady(1500, 7.0, step).rate(window) == pytest.approx(7.0)


def test_a_window_sees_what_happened_in_it_and_not_before() -> None:
    trend = Trend()
    for second in range(200):
        trend.note(second, 0.0 if second <= 150 else (second - 150) * 10.0)

    assert trend.rate(30) == pytest.approx(10.0)
    assert trend.increase(40) == pytest.approx(400.0)
    assert trend.rate(98) == pytest.approx(5.0)


def test_a_counter_that_begins_again_counts_from_nothing() -> None:
    trend = noted((0.0, 1000.0), (1.0, 1010.0), (2.0, 4.0), (3.0, 10.0))

    assert trend.increase(60) == 20.0


def test_another_life_of_the_daemon_is_noticed_even_when_its_counter_is_higher() -> None:
    trend = Trend()
    trend.note(0.0, 10.0, life=1)
    trend.note(1.0, 30.0, life=2)

    assert trend.increase(60) == 30.0


def test_recent_steps_show_a_gap_as_a_gap() -> None:
    trend = noted((0.0, 0.0), (1.0, 5.0), (2.0, 10.0), (5.0, 40.0), (6.0, 40.0))

    assert trend.recent(7) == [None, 5.0, 5.0, None, None, 10.0, 0.0]
    assert noted().recent(3) == [None] * 3


def test_recent_steps_of_ten_seconds_reach_back_twenty_minutes() -> None:
    trend = steady(1500, 2.0)

    assert trend.recent(100, 10.0) == pytest.approx([2.0] * 100)


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 1e9)), max_size=300))
def test_any_notes_give_rates_that_are_not_negative(notes: list[tuple[float, float]]) -> None:
    trend = noted(*notes)

    for window in (1, 60, 600):
        assert (trend.rate(window) or 0.0) >= 0.0
    assert all(each is None or each >= 0.0 for each in trend.recent(60))


def test_memory_is_bounded() -> None:
    trend = steady(20_000, 1.0)

    assert len(trend._fine.times) <= 121
    assert len(trend._coarse.times) <= 121

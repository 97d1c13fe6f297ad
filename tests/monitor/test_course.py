"""Courses on a fixed axis: gaps stay gaps, what held for several steps is in all of them, memory is bounded."""

from __future__ import annotations

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqmon.model.course import STEPS, Courses, Fold, Span

FIGURES = (("lag", Fold.HIGHEST), ("in", Fold.MEAN))


def tail(courses: Courses, name: str, now: float, count: int, span: Span = Span.ONE) -> list[float | None]:
    """The newest values; None = a gap."""
    return [None if isnan(value) else value for value in courses.values(name, span, now)[-count:]]


def test_a_value_holds_for_every_step_since_the_last_note() -> None:
    courses = Courses(FIGURES)
    courses.note(100.2, 103.1, {"in": 4.0})

    assert tail(courses, "in", 103.1, 4) == [None, 4.0, 4.0, 4.0]


def test_time_without_notes_is_a_gap_and_no_zero() -> None:
    courses = Courses(FIGURES)
    courses.note(100.0, 101.0, {"in": 4.0})
    courses.note(105.0, 107.0, {"in": 2.0})

    assert tail(courses, "in", 107.5, 7) == [4.0, None, None, None, None, 2.0, 2.0]


def test_the_line_moves_on_while_nothing_is_heard() -> None:
    courses = Courses(FIGURES)
    courses.note(100.0, 101.0, {"in": 4.0})

    assert tail(courses, "in", 101.9, 1) == [4.0]
    assert tail(courses, "in", 105.0, 5) == [None, 4.0, None, None, None]
    assert tail(courses, "in", 500.0, STEPS) == [None] * STEPS


def test_a_longer_step_has_the_highest_lag_and_the_mean_rate() -> None:
    courses = Courses(FIGURES)
    for second, value in enumerate([1.0, 9.0, 2.0, 3.0, 5.0], start=100):
        courses.note(second, second + 1, {"lag": value, "in": value})

    assert tail(courses, "lag", 106, 1, Span.FIVE) == [9.0]
    assert tail(courses, "in", 106, 1, Span.FIVE) == [pytest.approx(4.0)]


def test_a_mean_weighs_by_time() -> None:
    courses = Courses(FIGURES)
    courses.note(100.0, 104.0, {"in": 1.0})
    courses.note(104.0, 105.0, {"in": 6.0})

    assert tail(courses, "in", 106, 1, Span.FIVE) == [pytest.approx(2.0)]


def test_what_is_not_known_leaves_what_is_known() -> None:
    courses = Courses(FIGURES)
    courses.note(100.0, 101.0, {"lag": 7.0})
    courses.note(101.0, 102.0, {"lag": nan})

    assert tail(courses, "lag", 102.0, 2) == [7.0, None]
    assert isnan(courses.latest("lag"))


def test_nothing_is_noted_while_the_second_is_not_over() -> None:
    courses = Courses(FIGURES)
    courses.note(100.1, 100.9, {"lag": 7.0})

    assert tail(courses, "lag", 101.0, STEPS) == [None] * STEPS


def test_peaks_are_kept_until_they_are_reset() -> None:
    courses = Courses(FIGURES)
    for second, value in enumerate([3.0, 8.0, 2.0]):
        courses.note(second, second + 1, {"lag": value})
    assert courses.peaks == {"lag": 8.0}

    courses.reset_peaks()
    courses.note(3, 4, {"lag": 1.0})

    assert courses.peaks == {"lag": 1.0}


@given(
    st.lists(st.tuples(st.floats(0.1, 40.0), st.booleans(), st.integers(0, 1000)), min_size=1, max_size=80),
    st.sampled_from(Span),
)
def test_any_course_is_what_was_noted_for_each_second(steps: list[tuple[float, bool, int]], span: Span) -> None:
    """Against a plain list of seconds, whatever the lengths of notes and of gaps."""
    courses = Courses(FIGURES)
    seconds: dict[int, float] = {}
    at = 1000.0
    for length, is_gap, value in steps:
        if not is_gap:
            courses.note(at, at + length, {"lag": float(value), "in": float(value)})
            seconds.update(dict.fromkeys(range(int(at), int(at + length)), float(value)))
        at += length

    step = span.step_seconds
    end = max(max(seconds, default=-1) // step, int(at) // step - 2)
    lags, rates = courses.values("lag", span, at), courses.values("in", span, at)

    assert len(lags) == len(rates) == STEPS
    for place in range(STEPS):
        begin = (end - STEPS + 1 + place) * step
        known = [seconds[second] for second in range(begin, begin + step) if second in seconds]
        if not seconds or not known:
            assert isnan(lags[place])
        else:
            assert lags[place] == max(known)
            assert rates[place] == pytest.approx(sum(known) / len(known), rel=1e-3, abs=1e-3)

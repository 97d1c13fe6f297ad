"""Which question a probe is asked next, and when."""

from __future__ import annotations

from collections import Counter

import pytest

from snqd.stores.probe_pace import INTERVALS, ProbePace, Question


def run(
    costs: dict[Question, float], seconds: float, *, is_idle: bool = False, least: float = 0.0
) -> tuple[Counter[Question], float, float]:
    """Ask for a while, each question taking as long as `costs` says: how often, the busy share, the oldest lag."""
    pace = ProbePace(least)
    now, busy, oldest = 100.0, 0.0, 0.0
    asked: Counter[Question] = Counter()
    last_lags = now
    while now < 100.0 + seconds:
        question, wait = pace.next(now)
        began = now + wait
        now = began + costs[question]
        pace.asked(question, began, now, is_idle=is_idle)
        asked[question] += 1
        busy += costs[question]
        if question == "lags":
            oldest = max(oldest, now - last_lags)
            last_lags = began
    return asked, busy / (now - 100.0), oldest


def test_all_are_asked_at_once_in_the_beginning() -> None:
    pace = ProbePace()
    first = []
    for _ in INTERVALS:
        question, wait = pace.next(5.0)
        assert wait == 0.0
        pace.asked(question, 5.0, 5.0)
        first.append(question)

    assert set(first) == set(INTERVALS)
    assert pace.next(5.0) == ("lags", 1.0)


def test_cheap_answers_are_asked_for_at_the_least_intervals() -> None:
    asked, busy, oldest = run({"lags": 0.0005, "depths": 0.001, "health": 0.001, "schedules": 0.001}, 300.0)

    assert asked == {"lags": 301, "depths": 300, "health": 20, "schedules": 60}
    assert busy < 0.002
    assert oldest < 1.1


def test_where_nothing_moves_little_is_asked() -> None:
    asked, _busy, oldest = run(
        {"lags": 0.0005, "depths": 0.001, "health": 0.001, "schedules": 0.001}, 300.0, is_idle=True
    )

    assert asked == {"lags": 167, "depths": 61, "health": 5, "schedules": 20}
    assert oldest < 2.0


def test_a_setting_can_make_all_of_it_less_frequent() -> None:
    asked, _busy, _oldest = run(
        {"lags": 0.0005, "depths": 0.001, "health": 0.001, "schedules": 0.001}, 300.0, least=10.0
    )

    assert asked == {"lags": 31, "depths": 30, "health": 20, "schedules": 30}


def test_what_begins_to_move_is_looked_at_at_once_and_a_store_that_is_away_is_left_alone() -> None:
    pace = ProbePace()
    pace.asked("lags", 5.0, 5.0, is_idle=True)
    pace.asked("depths", 5.0, 5.0, is_idle=True)
    pace.asked("health", 5.0, 5.0, is_idle=True)
    pace.asked("schedules", 5.0, 5.0, is_idle=True)
    assert pace.next(5.0).question == "lags"
    assert pace.next(5.0).in_seconds == pytest.approx(1.8)

    pace.hurry()
    assert pace.next(5.0).in_seconds == 0.0

    pace.hold(12.0)
    assert pace.next(5.0).in_seconds == 7.0


@pytest.mark.parametrize("scale", [1, 4])
def test_dear_answers_come_seldom_enough_and_the_lag_stays_young(scale: int) -> None:
    costs: dict[Question, float] = {"lags": 0.001, "depths": 0.02, "health": 0.005, "schedules": 0.02}
    _asked, busy, oldest = run({question: cost * scale for question, cost in costs.items()}, 600.0)

    assert busy < 0.01
    assert oldest < 2.0


def test_nothing_is_given_up_however_dear_it_is() -> None:
    asked, _busy, _oldest = run({"lags": 2.0, "depths": 2.0, "health": 2.0, "schedules": 2.0}, 600.0)

    assert asked["depths"] >= 9
    assert asked["health"] >= 9
    assert asked["schedules"] >= 9
    assert asked["lags"] >= 100


@pytest.mark.parametrize("slow_at", [0, 1, 2, 5])
def test_one_answer_that_had_to_wait_does_not_let_the_figure_grow_old(slow_at: int) -> None:
    pace, now = ProbePace(), 100.0
    for number in range(8):
        took = 0.2 if number == slow_at else 0.001
        pace.asked("depths", now, now + took)
        assert pace._due["depths"] - now == pytest.approx(1.0)
        now += 1.0


def test_answers_that_stay_slow_are_asked_for_seldom() -> None:
    pace = ProbePace()
    for now in (0.0, 100.0, 200.0):
        pace.asked("depths", now, now + 0.1)

    assert pace._due["depths"] == pytest.approx(200.0 + 40.0)


def test_what_the_asking_thread_waited_for_a_processor_does_not_count() -> None:
    pace = ProbePace()
    for now in (0.0, 100.0, 200.0):
        pace.asked("depths", now, now + 0.1, kept_seconds=0.099)

    assert pace._due["depths"] == pytest.approx(201.0)

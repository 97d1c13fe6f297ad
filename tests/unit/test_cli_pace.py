"""How fast a correction goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.cli.pace import Pace
from snqd.stores.corrections import STEP_ITEMS


def test_without_a_rate_nothing_waits_and_steps_are_large() -> None:
    pace = Pace(None)
    pace.stepped(0.0, 1000)

    assert pace.step_items == STEP_ITEMS
    assert pace.wait_seconds(0.1) == 0.0
    assert pace.seconds_for(1000) is None


def test_a_rate_goes_in_small_steps() -> None:
    assert Pace(100.0).step_items == 10
    assert Pace(0.1).step_items == 1
    assert Pace(1_000_000.0).step_items == STEP_ITEMS
    assert Pace(100.0).seconds_for(500) == 5.0


def test_the_next_step_is_due_when_the_rate_allows_it() -> None:
    pace = Pace(100.0)
    pace.stepped(5.0, 10)

    assert abs(pace.wait_seconds(5.02) - 0.08) < 1e-9
    assert pace.wait_seconds(5.2) == 0.0


def test_time_that_was_lost_is_not_caught_up() -> None:
    pace = Pace(10.0)
    pace.stepped(0.0, 1)
    pace.stepped(100.0, 1)  # the store had stood still

    assert abs(pace.wait_seconds(100.0) - 0.1) < 1e-9


def test_what_changed_nothing_costs_no_time() -> None:
    pace = Pace(10.0)
    pace.stepped(0.0, 0)

    assert pace.wait_seconds(0.0) == 0.0


@given(
    st.floats(0.01, 5000.0),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 1000)), min_size=1, max_size=40),
)
def test_no_stretch_of_time_is_faster_than_the_rate(rate: float, steps: list[tuple[float, int]]) -> None:
    pace, now, done = Pace(rate), 0.0, []
    for took, wish in steps:
        changed = min(wish, pace.step_items)
        done.append((now, changed))
        pace.stepped(now, changed)
        now += took
        now += pace.wait_seconds(now)
    for first in range(len(done)):
        began, total = done[first][0], 0
        for at, changed in done[first:]:
            assert total <= (at - began) * rate + 1e-6 * (1 + total)
            total += changed

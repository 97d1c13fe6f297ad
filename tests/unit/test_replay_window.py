"""Sequence numbers: new, late, repeated, out of sight, missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.replay_window import WIDTH, Place, Window

numbers = st.integers(0, 60) | st.integers(0, 4000) | st.integers(0, 2**64 - 1)


@given(st.lists(numbers, max_size=80))
def test_a_number_is_new_late_repeated_or_out_of_sight(sequence: list[int]) -> None:
    window, seen = Window(), set[int]()
    for number in sequence:
        highest = max(seen, default=-1)
        place = window.take(number)
        if number > highest:
            expected = Place.NEWEST
        elif number <= highest - WIDTH:
            expected = Place.OUT_OF_SIGHT
        else:
            expected = Place.REPEATED if number in seen else Place.LATE
        assert place is expected
        if place is not Place.OUT_OF_SIGHT:
            seen.add(number)
        assert window.missing == max(seen) - min(seen) + 1 - len(seen)


def test_a_leap_of_the_numbers_takes_no_memory() -> None:
    window = Window()
    window.take(0)
    window.take(2**64 - 1)

    assert window._seen.bit_length() <= WIDTH
    assert window.missing == 2**64 - 2

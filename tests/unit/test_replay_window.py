"""Sequence numbers: new, late, repeated, missing; and the window that accepts each datagram once."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.replay_window import WIDTH, Place, ReplayWindow, Window
from tests.support.telemetry import HEADER

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


def accepts(window: ReplayWindow, **values: Any) -> bool:
    return window.accepts(msgspec.structs.replace(HEADER, **values))


def test_each_datagram_is_accepted_once() -> None:
    window = ReplayWindow()

    assert [accepts(window, sequence=number) for number in (5, 5, 4, 4, 6, 5)] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]


def test_what_is_too_old_to_be_remembered_is_not_accepted() -> None:
    window = ReplayWindow()
    accepts(window, sequence=WIDTH + 1)

    assert not accepts(window, sequence=1)
    assert accepts(window, sequence=2)


def test_each_sender_boot_and_session_has_its_own_numbers() -> None:
    window = ReplayWindow()
    others: list[dict[str, Any]] = [
        {},
        {"session": 4},
        {"sender": 9},
        {"boot": 9},
        {"host": "other"},
        {"daemon": "other"},
    ]

    assert all(accepts(window, **each) for each in others)
    assert not any(accepts(window, **each) for each in others)


def test_the_source_that_was_silent_longest_is_forgotten_first() -> None:
    window = ReplayWindow(sources=2)
    accepts(window, session=1)
    accepts(window, session=2)
    accepts(window, session=1, sequence=2)
    accepts(window, session=3)

    assert not accepts(window, session=1)
    assert len(window._windows) == 2

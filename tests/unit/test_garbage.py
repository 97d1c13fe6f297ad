"""When a worker collects garbage (`snqd/worker/garbage.py`)."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from snqd.worker.garbage import COLLECT_AFTER, GROWTH_BYTES, Garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    gc.collect()
    yield
    gc.enable()
    gc.set_threshold(*threshold)


def lost_knot() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


def test_containers_are_counted_up_to_more_than_a_claim_brings() -> None:
    gc.set_threshold(700, 10, 10)

    Garbage()

    assert gc.get_threshold() == (COLLECT_AFTER, 10, 10)


@pytest.mark.parametrize("chosen", [(0, 10, 10), (COLLECT_AFTER * 5, 3, 3)], ids=["never", "rarer"])
def test_what_handlers_have_set_is_left(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)

    Garbage()

    assert gc.get_threshold() == chosen


def test_growth_of_memory_makes_it_look() -> None:
    garbage = Garbage()
    knot = lost_knot()
    assert not garbage.look(100_000_000)
    assert not garbage.look(100_000_000 + GROWTH_BYTES - 1)
    assert knot() is not None

    assert garbage.look(100_000_000 + GROWTH_BYTES)

    assert knot() is None
    assert not garbage.look(100_000_000 + 2 * GROWTH_BYTES - 1), "counted from where the last look was"
    assert garbage.look(100_000_000 + 2 * GROWTH_BYTES)


def test_growth_is_counted_from_the_lowest_point() -> None:
    garbage = Garbage()
    garbage.look(100_000_000)
    garbage.look(50_000_000)

    assert garbage.look(50_000_000 + GROWTH_BYTES)


def test_a_collector_that_handlers_turned_off_stays_off() -> None:
    garbage = Garbage()
    gc.disable()
    knot = lost_knot()
    garbage.look(0)

    assert not garbage.look(GROWTH_BYTES)
    assert knot() is not None

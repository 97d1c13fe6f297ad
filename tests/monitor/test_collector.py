"""The garbage collector: it runs while nobody is there, sooner or later it runs, and it is left as it was found."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from snqmon.collector import CALM_SECONDS, LONGEST_SECONDS, OFTEN_SECONDS, SELDOM_SECONDS, Collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Node:
    """In a cycle with itself, which only the collector can free."""

    def __init__(self) -> None:
        self.other = self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collector(clock: Clock) -> Iterator[Collector]:
    found = Collector(clock)
    found.begin()
    yield found
    found.end()


def garbage() -> weakref.ref[Node]:
    return weakref.ref(Node())


def test_what_is_new_and_in_cycles_is_freed_soon_also_while_keys_are_pressed(
    collector: Collector, clock: Clock
) -> None:
    left = garbage()
    clock.now += OFTEN_SECONDS - 1
    collector.touched()
    collector.turn()
    assert left() is not None

    clock.now += 1
    collector.turn()
    assert left() is None


def test_what_was_there_is_looked_at_while_nobody_presses_keys(clock: Clock) -> None:
    node = Node()
    left, collector = weakref.ref(node), Collector(clock)
    collector.begin()
    del node
    clock.now += SELDOM_SECONDS
    collector.touched()
    collector.turn()
    assert left() is not None, "it is frozen, and somebody is there"

    clock.now += CALM_SECONDS
    collector.turn()
    assert left() is None
    assert gc.get_freeze_count() > 0, "what is left is frozen anew"
    collector.end()


def test_it_does_not_wait_for_ever(clock: Clock) -> None:
    node = Node()
    left, collector = weakref.ref(node), Collector(clock)
    collector.begin()
    del node
    clock.now += LONGEST_SECONDS
    collector.touched()
    collector.turn()

    assert left() is None
    collector.end()


def test_young_objects_alone_make_no_look_at_everything(collector: Collector) -> None:
    looks: list[int] = []

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looks.append(info["generation"])

    gc.callbacks.append(look)
    try:
        kept = [[number] for number in range(200_000)]
    finally:
        gc.callbacks.remove(look)

    assert kept
    assert looks
    assert 2 not in looks


def test_it_leaves_everything_as_it_was() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    collector = Collector(Clock())
    collector.begin()
    assert gc.get_freeze_count() > 0
    collector.end()

    assert (gc.get_threshold(), gc.get_freeze_count()) == before

"""Canaries: one at a time, back by a worker's word or by its absence from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from snqd.hub.canary import Canaries
from snqd.telemetry.ledger import CanaryReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.hub.prober import Prober
    from snqd.telemetry.facts import CanaryFact


class World:
    """A store that a test decides about, and a prober that runs errands at once: a mock, for the sake of the clock."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.kept: set[int] = set()
        self.is_taken = False

    def submit(self, errand: Callable[[Any], None]) -> None:
        errand(self)

    def has_item(self, item: int) -> bool:
        return item in self.kept

    def send(self, queue: str, number: int) -> int | None:
        self.sent.append((queue, number))
        if self.is_taken:
            return None
        self.kept.add(len(self.sent))
        return len(self.sent)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("snqd.hub.canary.time.time", lambda: now[0])
    return now


class Birds:
    def __init__(self, world: World, clock: list[float]) -> None:
        self.clock = clock
        self.canaries = Canaries({"mail": 10.0, "none": 0.0}, cast("Prober", world), world.send)

    def at(self, now: float, back: CanaryReturn | None = None) -> CanaryFact:
        self.clock[0] = now
        (fact,) = self.canaries.turn(now, {"mail": back} if back else {})
        return fact


@pytest.fixture
def birds(world: World, clock: list[float]) -> Birds:
    return Birds(world, clock)


def test_it_is_sent_returns_and_is_sent_again_when_it_is_due(birds: Birds, world: World) -> None:
    assert birds.at(1000.0).sent == 0
    assert birds.at(1001.0).sent == 1
    ((queue, number),) = world.sent
    assert queue == "mail"

    fact = birds.at(1002.0, CanaryReturn(number, 1001.25, 1))
    assert (fact.returned, fact.last_returned, fact.last_seconds) == (1, 1001.25, 0.25)

    assert birds.at(1010.9, CanaryReturn(number, 1001.25, 1)).sent == 1
    assert birds.at(1011.0, CanaryReturn(number, 1001.25, 1)).sent == 2
    assert world.sent[1][1] > number


def test_one_that_is_late_keeps_the_next_from_being_sent(birds: Birds, world: World) -> None:
    birds.at(1001.0)
    for second in range(1002, 1100):
        birds.at(float(second))

    fact = birds.at(1100.0)
    assert (fact.sent, fact.returned) == (1, 0)
    assert len(world.sent) == 1


def test_one_that_is_not_in_the_store_any_more_was_handled_on_another_host(birds: Birds, world: World) -> None:
    birds.at(1001.0)
    world.kept.clear()
    birds.at(1005.0)

    birds.at(1012.0)  # asks
    fact = birds.at(1013.0)

    assert (fact.returned, fact.last_seconds) == (1, -1.0)


def test_an_older_return_is_not_taken_for_this_one(birds: Birds, world: World) -> None:
    birds.at(1001.0)
    number = world.sent[0][1]

    assert birds.at(1002.0, CanaryReturn(number - 1, 1001.5, 9)).returned == 0
    assert birds.at(1003.0, CanaryReturn(number, 1002.5, 10)).returned == 1


def test_where_an_earlier_hubs_canary_still_waits_its_return_will_do(birds: Birds, world: World) -> None:
    world.is_taken = True
    birds.at(1001.0)
    fact = birds.at(1100.0)

    assert (fact.sent, fact.returned) == (1, 0)

"""Worlds of the monitor for tests: a feed that a test tells facts, with a clock that goes on when it says so.

The facts come from `views.py`, where everything that a test does not name has a value:

    feed = ToldFeed()
    world = World(feed, Thresholds())
    feed.tell(queue("mail"), depth("mail", ready=12))
    world.observe()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.facts import DaemonFact
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, Header
from snqmon.feeds.base import FeedStatus, Trust
from snqmon.model.thresholds import Thresholds
from snqmon.model.world import World
from tests.support.views import NOON, daemon_fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.facts import AnyFact
    from snqd.telemetry.tables import Limits

BEGIN = 5000.0
"""The receiver's clock when a test begins."""


class ToldFeed:
    """A `Feed` whose datagrams are made by a test."""

    def __init__(self, *, trust: Trust = Trust.LIVE, limits: Limits | None = None) -> None:
        self.fleet = Fleet(limits)
        self.clock = BEGIN
        self.trust = trust
        self._sequences: dict[tuple[str, int], int] = {}

    @property
    def noon(self) -> float:
        """The daemons' clock (epoch seconds)."""
        return NOON + self.clock - BEGIN

    def tell(self, *facts: AnyFact, daemon: str = "main@host", life: int = 0, is_complete: bool = True) -> None:
        """All that a daemon has to say now; its own fact, which counts the others, is added. `life`: its boot."""
        told = list(facts)
        if not any(isinstance(fact, DaemonFact) for fact in facts):
            told.append(daemon_fact(facts, is_complete=is_complete))
        name, _, host = daemon.partition("@")
        sequence = self._sequences[daemon, life] = self._sequences.get((daemon, life), 0) + 1
        header = Header(name, host, int(NOON) + life, int(NOON) + life, sequence, self.noon)
        self.fleet.apply(Datagram(header, tuple(told)), source=f"{host}:5480", now=self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds

    def fileno(self) -> int:
        return -1

    def turn(self) -> float:
        return 1.0

    def now(self) -> float:
        return self.clock

    def wall(self) -> float:
        return self.noon

    def watch(self, observe: Callable[[], None]) -> None:
        """It never leaps."""

    def status(self) -> FeedStatus:
        heard = max((view.last_seen for view in self.fleet.daemons.values()), default=None)
        age = None if heard is None else self.clock - heard
        words = str(self.trust) if age is None else f"{self.trust} {age:.1f}s"
        return FeedStatus(self.trust, age, words, (), ())

    def change_pace(self, frames_per_second: float) -> None:
        """A test says when something comes."""

    def close(self) -> None:
        """Nothing is open."""


def world_of(*facts: AnyFact, thresholds: Thresholds | None = None) -> World:
    """What the monitor makes of these facts of one daemon, when they have just come."""
    feed = ToldFeed()
    feed.tell(*facts)
    world = World(feed, thresholds or Thresholds())
    world.observe()
    return world

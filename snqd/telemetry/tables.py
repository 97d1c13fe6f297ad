"""`Table`: the newest fact about each thing of one kind, and when it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from snqd.telemetry.facts import AnyFact

Pair = tuple[str, str]
"""Two names: of queue and site, as a rule."""
K = TypeVar("K", bound="Hashable")
F = TypeVar("F", bound="AnyFact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most things that a fleet keeps. What comes beyond is refused and counted."""

    daemons: int = 1000
    facts: int = 150_000
    """Of all daemons together, events among them."""
    workers: int = 1024
    """Per daemon, like those below."""
    pairs: int = 100_000
    """Of queue and site: flows, and depths."""
    queues: int = 4096
    alarms: int = 4096
    memory: int = 20_000
    counters: int = 4096
    events: int = 500
    """The latest are kept."""


class Budget:
    """How many facts and events a fleet keeps, so that a stranger cannot fill the memory."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self) -> bool:
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    def give_back(self, count: int) -> None:
        self.used -= count


class Table(Generic[K, F]):
    """Facts by key. A stamp says how new a fact is: of two facts about one thing the one of the higher stamp counts."""

    __slots__ = ("_budget", "_limit", "_marks", "_notes_changes", "changed", "facts", "fresh", "key_of")

    def __init__(self, key_of: Callable[[F], K], limit: int, budget: Budget, *, notes_changes: bool = False) -> None:
        self.key_of = key_of
        self.facts: dict[K, F] = {}
        self.fresh = 0
        """How many of the facts have been told by the present sender."""
        self.changed: dict[K, F | None] = {}
        """What changed since somebody cleared this, as it was then. Empty unless `notes_changes`."""
        self._marks: dict[K, int] = {}
        self._notes_changes = notes_changes
        self._limit = limit
        self._budget = budget

    def put(self, fact: F, stamp: int, base: int) -> bool:
        """Take a fact in unless a newer one is here. `base`: the first stamp of the present sender. False = full."""
        key = self.key_of(fact)
        mark = self._marks.get(key, -1)
        if mark < 0:
            return self._add(key, fact, stamp)
        if stamp < mark:
            return True
        self._marks[key] = stamp
        if mark < base:
            self.fresh += 1
        old = self.facts[key]
        if old != fact:
            self.facts[key] = fact
            if self._notes_changes and key not in self.changed:
                self.changed[key] = old
        return True

    def drop_older(self, stamp: int, base: int) -> None:
        """Forget what was last told before `stamp`."""
        marks = self._marks
        for key in [key for key, mark in marks.items() if mark < stamp]:
            self.fresh -= marks.pop(key) >= base
            old = self.facts.pop(key)
            if self._notes_changes:
                self.changed.setdefault(key, old)
            self._budget.give_back(1)

    def clear(self) -> None:
        for key, old in self.facts.items() if self._notes_changes else ():
            self.changed.setdefault(key, old)
        self._budget.give_back(len(self.facts))
        self.facts.clear()
        self._marks.clear()
        self.fresh = 0

    def _add(self, key: K, fact: F, stamp: int) -> bool:
        if len(self.facts) >= self._limit or not self._budget.take():
            return False
        self.facts[key] = fact
        self._marks[key] = stamp
        self.fresh += 1
        if self._notes_changes:
            self.changed.setdefault(key, None)
        return True

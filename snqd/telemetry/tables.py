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
    connections: int = 20_000
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


class _Entry(Generic[F]):
    """A fact, how new it is, and whether it has been noted as changed. One look-up finds all three."""

    __slots__ = ("fact", "is_noted", "stamp")

    def __init__(self, fact: F, stamp: int) -> None:
        self.fact = fact
        self.stamp = stamp
        self.is_noted = True


class Table(Generic[K, F]):
    """Facts by key. A stamp says how new a fact is: of two facts about one thing the one of the higher stamp counts."""

    __slots__ = ("_budget", "_entries", "_limit", "_notes_changes", "changed", "facts", "fresh", "key_of")

    def __init__(self, key_of: Callable[[F], K], limit: int, budget: Budget, *, notes_changes: bool = False) -> None:
        self.key_of = key_of
        self.facts: dict[K, F] = {}
        self.fresh = 0
        """How many of the facts have been told by the present sender."""
        self.changed: dict[K, F | None] = {}
        """What changed since `changes_are_settled`, as it was then. Empty unless `notes_changes`."""
        self._entries: dict[K, _Entry[F]] = {}
        self._notes_changes = notes_changes
        self._limit = limit
        self._budget = budget

    def put(self, fact: F, stamp: int, base: int) -> bool:
        """Take a fact in unless a newer one is here. `base`: the first stamp of the present sender. False = full."""
        key = self.key_of(fact)
        entry = self._entries.get(key)
        if entry is None:
            return self._add(key, fact, stamp)
        before = entry.stamp
        if stamp < before:
            return True
        entry.stamp = stamp
        if before < base:
            self.fresh += 1
        old = entry.fact
        if old != fact:
            entry.fact = self.facts[key] = fact
            if not entry.is_noted:
                entry.is_noted = True
                self.changed.setdefault(key, old)
        return True

    def changes_are_settled(self) -> None:
        """Somebody has dealt with `changed`: begin to note anew."""
        entries = self._entries
        for key in self.changed:
            entry = entries.get(key)
            if entry is not None:
                entry.is_noted = False
        self.changed.clear()

    def drop_older(self, stamp: int, base: int) -> None:
        """Forget what was last told before `stamp`."""
        entries = self._entries
        for key in [key for key, entry in entries.items() if entry.stamp < stamp]:
            self.fresh -= entries.pop(key).stamp >= base
            old = self.facts.pop(key)
            if self._notes_changes:
                self.changed.setdefault(key, old)
            self._budget.give_back(1)

    def clear(self) -> None:
        for key, old in self.facts.items() if self._notes_changes else ():
            self.changed.setdefault(key, old)
        self._budget.give_back(len(self.facts))
        self.facts.clear()
        self._entries.clear()
        self.fresh = 0

    def _add(self, key: K, fact: F, stamp: int) -> bool:
        if len(self.facts) >= self._limit or not self._budget.take():
            return False
        self.facts[key] = fact
        self._entries[key] = _Entry(fact, stamp)
        self.fresh += 1
        if self._notes_changes:
            self.changed.setdefault(key, None)
        return True

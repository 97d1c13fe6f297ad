"""The outbox: what there is to tell. Facts go in when they are known, and each receiver's `Cursor` takes them out.

Pure: no socket and no clock. A fact is encoded when the first receiver needs it, and again only after it has changed;
the bytes are the same for every receiver.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.telemetry.cursor import Cursor
from snqd.telemetry.facts import (
    AlarmFact,
    AnyFact,
    CanaryFact,
    ConnectionFact,
    DaemonFact,
    DepthFact,
    EventFact,
    Fact,
    FlowFact,
    LimitFact,
    MemoryFact,
    PauseFact,
    QueueFact,
    ScheduleFact,
    StoreFact,
    WorkerFact,
)
from snqd.telemetry.wire import encode_fact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

FactKey = tuple[type[Fact], tuple[Any, ...]]
"""What a fact is about: its type and its `key`."""

KEPT_EVENTS = 512
"""A receiver that has not been served while so many events came misses the older ones, and sees it by their numbers."""

_PULSE: dict[type[Fact], set[str]] = {
    DaemonFact: {"hub_cpu_seconds", "hub_rss_bytes", "probe_seconds", "datagrams_sent", "bad_datagrams"},
    WorkerFact: {"beat", "cpu_seconds"},
    DepthFact: {"at"},
    ScheduleFact: {"overdue_seconds"},
}
"""Fields that move when nothing happens. A fact in which only these are new waits for its turn in the rotation."""

_FIRST: tuple[type[Fact], ...] = (
    DaemonFact,
    StoreFact,
    AlarmFact,
    PauseFact,
    QueueFact,
    WorkerFact,
    LimitFact,
    ScheduleFact,
    ConnectionFact,
    CanaryFact,
    MemoryFact,
    DepthFact,
    FlowFact,
)
"""In this order a new receiver is told: what a screen needs most comes first."""
_RANK: dict[type[Fact], int] = {kind: rank for rank, kind in enumerate(_FIRST)}
_GUESSED_BYTES = 120
"""Of a fact that has never been encoded."""
_news_of: dict[type[Fact], Callable[[Any], Any]] = {
    kind: attrgetter(*(field.name for field in msgspec.structs.fields(kind) if field.name not in pulse))
    for kind, pulse in _PULSE.items()
}


class Entry:
    """One fact and its bytes. `version`: the number of its last change among all changes."""

    __slots__ = ("_encoded", "fact", "is_gone", "size", "version")

    def __init__(self, fact: AnyFact, version: int) -> None:
        self.fact = fact
        self.version = version
        self.size = _GUESSED_BYTES
        self.is_gone = False
        self._encoded: bytes | None = None

    def replace(self, fact: AnyFact) -> None:
        self.fact = fact
        self._encoded = None

    @property
    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = encode_fact(self.fact)
        return self._encoded


class Outbox:
    """All facts of one daemon, the newest of each, and its latest events."""

    def __init__(self) -> None:
        self.version = 0
        """Number of the latest change."""
        self.size = 0
        """Bytes of all facts but events; an estimate while some have not been encoded."""
        self.event_count = 0
        """Events that ever came in."""
        self._entries: OrderedDict[FactKey, Entry] = OrderedDict()  # the latest change is the last
        self._events: deque[Entry] = deque(maxlen=KEPT_EVENTS)
        self._last_number = 0
        self._all: list[Entry] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, facts: Iterable[AnyFact]) -> None:
        """Take in what is known now. Facts that are equal to those known before cost a comparison and nothing else."""
        for fact in facts:
            if isinstance(fact, EventFact):
                self._add_event(fact)
                continue
            key = (type(fact), fact.key)
            entry = self._entries.get(key)
            if entry is None:
                self._add(key, fact)
            elif entry.fact != fact:
                is_news = _is_news(entry.fact, fact)
                entry.replace(fact)
                if is_news:
                    self.version += 1
                    entry.version = self.version
                    self._entries.move_to_end(key)

    def remove(self, keys: Iterable[FactKey]) -> None:
        """Stop telling these facts; receivers forget them when they have not heard of them for a while."""
        for key in keys:
            entry = self._entries.pop(key, None)
            if entry is not None:
                entry.is_gone = True
                self.size -= entry.size
                self._all = None

    def retain(self, keys: Collection[FactKey]) -> None:
        """Stop telling all facts but these. Events stay."""
        self.remove([key for key in self._entries if key not in keys])

    def cursor(self, frames_per_second: float, *, is_lossless: bool = False) -> Cursor:
        """The place of a new receiver, who has been told nothing yet. `is_lossless`: all that is sent arrives."""
        return Cursor(self, frames_per_second, is_lossless=is_lossless)

    def changed_since(self, version: int) -> list[Entry]:
        """What has changed after the change of that number, the earliest first."""
        changed = list(takewhile(lambda entry: entry.version > version, reversed(self._entries.values())))
        changed.reverse()
        return changed

    def everything(self) -> list[Entry]:
        """Every fact but the events, the most wanted first. Shared by all receivers: not to be changed."""
        if self._all is None:
            self._all = sorted(self._entries.values(), key=lambda entry: _RANK.get(type(entry.fact), len(_RANK)))
        return self._all

    def events_since(self, count: int) -> list[Entry]:
        """The events that came after the first `count`, as far as they are kept."""
        wanted = min(self.event_count - count, len(self._events))
        return list(islice(self._events, len(self._events) - wanted, None)) if wanted > 0 else []

    def weigh(self, entry: Entry) -> bytes:
        """The bytes of an entry, and keep count of the size of all."""
        encoded = entry.encoded
        if len(encoded) != entry.size:
            if not entry.is_gone:
                self.size += len(encoded) - entry.size
            entry.size = len(encoded)
        return encoded

    def _add(self, key: FactKey, fact: AnyFact) -> None:
        self.version += 1
        self._entries[key] = Entry(fact, self.version)
        self.size += _GUESSED_BYTES
        self._all = None

    def _add_event(self, event: EventFact) -> None:
        if event.number <= self._last_number:
            return  # told before
        self._last_number = event.number
        self.event_count += 1
        self._events.append(Entry(event, 0))


def _is_news(old: AnyFact, new: AnyFact) -> bool:
    """Whether two facts that differ, differ in more than their pulse."""
    news = _news_of.get(type(new))
    return news is None or news(old) != news(new)

"""What people ask of the store, beside its work: counts, searches, and corrections by filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.corrections import Corrections
from snqd.stores.pauses import Pauses
from snqd.stores.records import QueueFacts
from snqd.stores.sql import queries
from snqd.stores.sqlite import dead, filters, pauses
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator

    from snqd.stores.corrections import Corrected, Correction, Kind, Place, Step
    from snqd.stores.records import DeadGroup, ItemFilter, ItemRecord
    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite")
_FIND_PAGE = 64  # frames may be a megabyte each


class People(Corrections):
    """A base of the store. Corrections go a step at a time, which does not keep the workers from the file."""

    @property
    def _live(self) -> Connection:
        raise NotImplementedError

    def counts(self) -> list[QueueFacts]:
        return self._live.read(_counts)

    def clock(self) -> float:
        return now()

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:
        sql = filters.waiting(_SQL["find"], wanted)

        def page(last: ItemRecord | None, size: int) -> list[ItemRecord]:
            after = last.id if last is not None else -1
            values = {**filters.values(wanted), "after": after, "page": size, "frames": frames}
            return list(map(filters.record, self._live.read(lambda raw: raw.execute(sql, values).fetchall())))

        return _pages(page, wanted.limit)

    def find_dead(self, wanted: ItemFilter) -> Iterator[ItemRecord]:
        def page(last: ItemRecord | None, size: int) -> list[ItemRecord]:
            place = last.place if last is not None else dead.BEFORE_ALL
            return dead.page(self._live, "find", wanted, place, size, frames=True)

        return _pages(page, wanted.limit)

    def dead_page(self, wanted: ItemFilter, *, after: Place | None = None, frames: bool = False) -> list[ItemRecord]:
        size = _FIND_PAGE if wanted.limit is None else wanted.limit
        return dead.page(self._live, "page", wanted, after or dead.AFTER_ALL, size, frames=frames)

    def dead_groups(self, wanted: ItemFilter) -> list[DeadGroup]:
        return self._live.read(lambda raw: dead.groups(raw, wanted))

    def name_some(self, most: int) -> int:
        return dead.name_some(self._live, most)

    def count(self, kind: Kind, wanted: ItemFilter) -> int:
        return self._live.read(lambda raw: dead.count(raw, kind, wanted))

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:
        return dead.begin(self._live, kind, wanted, author)

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:
        return dead.step(self._live, correction, after, most)

    def end(self, correction: Correction, outcome: str) -> None:
        dead.end(self._live, correction, outcome)

    def corrections(self, kinds: Collection[Kind], limit: int) -> list[Corrected]:
        return self._live.read(lambda raw: dead.corrections(raw, kinds, limit))


def _counts(raw: sqlite3.Connection) -> list[QueueFacts]:
    """Exact, by a walk through both tables."""
    clock = now()
    paused = Pauses(pauses.holding(raw))
    found = []
    for queue, site, ready, scheduled, claimed, letters, oldest in raw.execute(_SQL["counts"]):
        lag = max(0.0, clock - oldest) if oldest is not None else 0.0
        facts = QueueFacts(queue, site, ready, scheduled, claimed, letters, lag)
        found.append(paused.judged(facts))
    return found


def _pages(page: Callable[[ItemRecord | None, int], list[ItemRecord]], limit: int | None) -> Iterator[ItemRecord]:
    """Records page by page: no read transaction stays open while the caller thinks."""
    left, last = limit, None
    while left is None or left > 0:
        size = _FIND_PAGE if left is None else min(left, _FIND_PAGE)
        found = page(last, size)
        yield from found
        if len(found) < size:
            return
        last = found[-1]
        left = left if left is None else left - size

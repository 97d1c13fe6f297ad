"""What people ask of the store, beside its work: counts, searches, and corrections by filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.corrections import Corrections
from snqd.stores.pauses import Pauses
from snqd.stores.postgres import dead, filters, pauses
from snqd.stores.postgres.connection import guarded
from snqd.stores.records import QueueFacts
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from snqd.stores.corrections import Corrected, Correction, Kind, Place, Step
    from snqd.stores.postgres.connection import Connection
    from snqd.stores.records import DeadGroup, ItemFilter, ItemRecord

_SQL = queries("postgres")
_FIND_PAGE = 500


class People(Corrections):
    """A base of the store. Corrections go a step at a time: discarding ten million items holds no locks for long."""

    _where: str

    @property
    def _connection(self) -> Connection:
        raise NotImplementedError

    def counts(self) -> list[QueueFacts]:
        with guarded(self._where), dead.unpinned(self._connection):
            paused = Pauses(pauses.holding(self._connection))
            return [paused.judged(QueueFacts(*row)) for row in self._connection.execute(_SQL["counts"])]

    def clock(self) -> float:
        with guarded(self._where):
            row = self._connection.execute(_SQL["clock"]).fetchone()
        assert row is not None
        return float(row[0])

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:
        sql, parameters = filters.waiting(_SQL["find"], wanted)

        def page(last: ItemRecord | None, size: int) -> list[ItemRecord]:
            values = {**parameters, "after": last.id if last is not None else -1, "limit": size, "frames": frames}
            with dead.unpinned(self._connection):
                return list(map(filters.record, self._connection.execute(sql, values).fetchall()))

        return self._pages(page, wanted.limit)

    def find_dead(self, wanted: ItemFilter) -> Iterator[ItemRecord]:
        def page(last: ItemRecord | None, size: int) -> list[ItemRecord]:
            return dead.find(self._connection, wanted, last.place if last is not None else dead.BEFORE_ALL, size)

        return self._pages(page, wanted.limit)

    def dead_page(self, wanted: ItemFilter, *, after: Place | None = None, frames: bool = False) -> list[ItemRecord]:
        with guarded(self._where):
            size = _FIND_PAGE if wanted.limit is None else wanted.limit
            return dead.page(self._connection, wanted, after or dead.AFTER_ALL, size, frames=frames)

    def dead_groups(self, wanted: ItemFilter) -> list[DeadGroup]:
        with guarded(self._where):
            return dead.groups(self._connection, wanted)

    def name_some(self, most: int) -> int:
        with guarded(self._where):
            return dead.name_some(self._connection, most)

    def count(self, kind: Kind, wanted: ItemFilter) -> int:
        with guarded(self._where):
            return dead.count(self._connection, kind, wanted)

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:
        with guarded(self._where):
            return dead.begin(self._connection, kind, wanted, author)

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:
        with guarded(self._where):
            return dead.step(self._connection, correction, after, most)

    def end(self, correction: Correction, outcome: str) -> None:
        with guarded(self._where):
            dead.end(self._connection, correction, outcome)

    def corrections(self, kinds: Collection[Kind], limit: int) -> list[Corrected]:
        with guarded(self._where):
            return dead.corrections(self._connection, kinds, limit)

    def _pages(
        self, page: Callable[[ItemRecord | None, int], list[ItemRecord]], limit: int | None
    ) -> Iterator[ItemRecord]:
        """Records page by page: no transaction stays open while a person reads."""
        left, last = limit, None
        while left is None or left > 0:
            size = _FIND_PAGE if left is None else min(_FIND_PAGE, left)
            with guarded(self._where):
                found = page(last, size)
            yield from found
            if len(found) < size:
                return
            last = found[-1]
            left = None if left is None else left - size

"""What people ask of the memory store: counts, searches, and corrections by filter."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from snqd.items import CANARY
from snqd.stores import memory_pauses
from snqd.stores.corrections import OF_DEAD, Corrected, Correction, Corrections, Kind, Place, Step, filter_text
from snqd.stores.letters import groups, place_of
from snqd.stores.memory_data import matches
from snqd.stores.memory_probe import count
from snqd.stores.pauses import NO_PAUSES, Pauses
from snqd.stores.records import DeadGroup, ItemState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from snqd.stores.memory_data import Data, Row
    from snqd.stores.records import ItemFilter, ItemRecord, QueueFacts


class People(Corrections):
    """A base of the store."""

    _data: Data

    def counts(self) -> list[QueueFacts]:
        return count(self._data)

    def clock(self) -> float:
        return time.time()

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:
        with self._data.lock:
            pauses = Pauses(memory_pauses.holding(self._data))
            found = [row.record(pauses) for row in self._waiting(wanted)[: wanted.limit]]
            return iter(found if frames else [replace(record, frame=b"") for record in found])

    def find_dead(self, wanted: ItemFilter) -> Iterator[ItemRecord]:
        with self._data.lock:
            return iter([row.record(NO_PAUSES) for row in self._dead(wanted)[: wanted.limit]])

    def dead_page(self, wanted: ItemFilter, *, after: Place | None = None, frames: bool = False) -> list[ItemRecord]:
        with self._data.lock:
            letters = [
                row
                for row in reversed(self._dead(wanted))
                if row.codec != CANARY and (after is None or place_of(row) < after)
            ]
            found = [row.record(NO_PAUSES) for row in letters[: wanted.limit]]
            return found if frames else [replace(record, frame=b"") for record in found]

    def dead_groups(self, wanted: ItemFilter) -> list[DeadGroup]:
        with self._data.lock:
            return groups(self._dead(wanted), wanted.limit)

    def name_some(self, most: int) -> int:  # noqa: ARG002  (all of them are given one as they die)
        return 0

    def count(self, kind: Kind, wanted: ItemFilter) -> int:
        with self._data.lock:
            return len(self._meant(kind, wanted)[: wanted.limit])

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:
        with self._data.lock:
            number = len(self._data.corrections) + 1
            self._data.corrections.append(
                Corrected(number, kind, author, filter_text(wanted), time.time(), None, 0, 0, "")
            )
            return Correction(kind, wanted, number)

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:
        kind, wanted, number = correction
        with self._data.lock:
            found = [row for row in self._meant(kind, wanted) if after is None or _place(kind, row) > after][:most]
            changed = sum(self._change(kind, row) for row in found)
            stayed = len(found) - changed
            if changed and kind in (Kind.RETRY, Kind.REPLAY):
                self._data.ring()
            if number:
                noted = self._data.corrections[number - 1]
                self._data.corrections[number - 1] = noted._replace(
                    changed=noted.changed + changed, stayed=noted.stayed + stayed
                )
            return Step(changed, stayed, _place(kind, found[-1]) if len(found) == most else None)

    def end(self, correction: Correction, outcome: str) -> None:
        with self._data.lock:
            noted = self._data.corrections[correction.number - 1]
            self._data.corrections[correction.number - 1] = noted._replace(ended=time.time(), outcome=outcome)

    def corrections(self, kinds: Collection[Kind], limit: int) -> list[Corrected]:
        with self._data.lock:
            return [each for each in reversed(self._data.corrections) if each.kind in kinds][:limit]

    # inside: with the lock held

    def _waiting(self, wanted: ItemFilter) -> list[Row]:
        """By id."""
        pauses = Pauses(memory_pauses.holding(self._data))
        rows = self._data.items
        return [rows[item_id] for item_id in sorted(rows) if matches(rows[item_id], wanted, pauses)]

    def _dead(self, wanted: ItemFilter) -> list[Row]:
        """By death."""
        return sorted((row for row in self._data.dead.values() if matches(row, wanted, NO_PAUSES)), key=place_of)

    def _meant(self, kind: Kind, wanted: ItemFilter) -> list[Row]:
        """What a correction may change, in its order."""
        if kind in OF_DEAD:
            return self._dead(wanted)
        if kind is Kind.RETRY:
            return [row for row in self._waiting(wanted) if row.state is ItemState.SCHEDULED]
        return [row for row in self._waiting(wanted) if row.state is not ItemState.CLAIMED]

    def _change(self, kind: Kind, row: Row) -> bool:
        match kind:
            case Kind.RETRY:
                row.available_at = time.time()
                self._data.place(row, ItemState.READY)
            case Kind.DISCARD:
                self._data.remove(row)
            case Kind.REPLAY:
                return self._data.replay(row)
            case Kind.DISCARD_DEAD:
                del self._data.dead[row.id]
        return True


def _place(kind: Kind, row: Row) -> Place:
    return place_of(row) if kind in OF_DEAD else Place(0.0, row.id)

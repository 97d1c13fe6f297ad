"""Sums over the rows of the ledger: one fact per queue and site, and the counts of each worker slot."""

from __future__ import annotations

from operator import add, sub
from typing import TYPE_CHECKING

from snqd.telemetry.facts import FlowFact
from snqd.telemetry.histogram import merged
from snqd.telemetry.ledger import FlowCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Key = tuple[str, str]
"""Queue and site."""

_FIRST, _LAST = FlowCounts._fields.index("claimed"), FlowCounts._fields.index("reclaimed")
_COUNTERS = slice(_FIRST, _LAST + 1)
"""Of the fields of a row, and of a fact: they have the same ones in the same order (a test says so)."""
COUNTERS = FlowCounts._fields[_COUNTERS]
_NOTHING = (0,) * len(COUNTERS)


class FlowBook:
    """Rows by flow and slot. Nothing is ever taken out: counters are cumulative since the daemon's boot."""

    def __init__(self) -> None:
        self._rows: dict[Key, dict[int, FlowCounts]] = {}
        self._slots: dict[int, tuple[int, ...]] = {}
        self.facts: dict[Key, FlowFact] = {}
        self.left: dict[Key, int] = {}
        """Items that left the store by this daemon's doing: handled, discarded, dead-lettered."""

    def take(self, slot: int, rows: Iterable[FlowCounts]) -> set[Key]:
        """Take changed rows of a slot; the flows whose facts must be made anew by `renew`."""
        totals = self._slots.get(slot, _NOTHING)
        touched = set()
        for row in rows:
            key = (row.queue, row.site)
            by_slot = self._rows.setdefault(key, {})
            before = by_slot.get(slot)
            counters = _counters(row)
            if before is not None:
                counters = tuple(map(sub, counters, _counters(before)))
            totals = tuple(map(add, totals, counters))
            by_slot[slot] = row
            touched.add(key)
        self._slots[slot] = totals
        return touched

    def renew(self, keys: Iterable[Key]) -> list[FlowFact]:
        """Make the facts of these flows anew."""
        fresh = []
        for key in keys:
            fact = self.facts[key] = _sum(key, list(self._rows[key].values()))
            self.left[key] = fact.handled + fact.discarded + fact.dead_lettered
            fresh.append(fact)
        return fresh

    def of_slot(self, slot: int) -> dict[str, int]:
        """The counts of a slot, over all flows and all workers that it has had."""
        return dict(zip(COUNTERS, self._slots.get(slot, _NOTHING), strict=True))


def _counters(row: FlowCounts) -> tuple[int, ...]:
    return row[_COUNTERS]  # type: ignore[return-value]  # this part of a row is whole numbers


def _sum(key: Key, rows: Sequence[FlowCounts]) -> FlowFact:
    if len(rows) == 1:
        return FlowFact(*rows[0])
    counters = map(sum, zip(*map(_counters, rows), strict=True))
    return FlowFact(
        queue=key[0],
        site=key[1],
        **dict(zip(COUNTERS, counters, strict=True)),
        run=merged(row.run for row in rows),
        run_seconds=sum(row.run_seconds for row in rows),
        wait=merged(row.wait for row in rows),
        wait_seconds=sum(row.wait_seconds for row in rows),
    )

"""`MemoryProbe`: what a `memory://` store tells of itself. It walks all items, which are few, and counts exactly."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from snqd.items import CANARY
from snqd.stores.memory_data import facts
from snqd.stores.memory_pauses import holding, remembered
from snqd.stores.pauses import Pauses
from snqd.stores.probe import SCHEDULES, QueueLag, ScheduleState, SiteDepth, StoreHealth
from snqd.stores.records import ItemState

if TYPE_CHECKING:
    from snqd.items import ItemId, QueueName, SiteName
    from snqd.stores.memory_data import Data, Row
    from snqd.stores.pauses import Pause
    from snqd.stores.records import QueueFacts
    from snqd.stores.schedules import ScheduleRow


class MemoryProbe:
    """See `snqd.stores.probe.Probe`."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def lags(self) -> list[QueueLag]:
        oldest: dict[QueueName, float] = {}
        clock = time.time()
        with self._data.lock:
            pauses = Pauses(holding(self._data))
            for row in self._data.items.values():
                is_ready = row.state in (ItemState.READY, ItemState.PAUSED) and not pauses.covers(row.queue, row.site)
                if is_ready and row.codec != CANARY:
                    oldest[row.queue] = min(row.available_at, oldest.get(row.queue, row.available_at))
        return [QueueLag(queue, max(0.0, clock - at)) for queue, at in sorted(oldest.items())]

    def depths(self) -> list[SiteDepth]:
        return [
            SiteDepth(
                found.queue, found.site, found.ready, found.scheduled, found.claimed, found.lag_seconds, found.dead,
                is_estimate=False, paused=found.paused,
            )
            for found in count(self._data)
        ]  # fmt: skip

    def pauses(self) -> list[Pause]:
        with self._data.lock:
            return remembered(self._data)

    def health(self) -> StoreHealth:
        begun = time.perf_counter()
        with self._data.lock:
            return StoreHealth(time.perf_counter() - begun)

    def schedules(self) -> list[ScheduleState]:
        clock = time.time()
        groups: defaultdict[tuple[str, str, str], list[ScheduleRow]] = defaultdict(list)
        with self._data.lock:
            for row in self._data.schedules.values():
                groups[row.name, row.queue, row.definition].append(row)
        found = []
        for key, rows in groups.items():
            first = min(rows, key=lambda row: (row.last_due, row.site))
            found.append(ScheduleState(*key, first.declared_by, len(rows), first.site, first.last_due, clock))
        return sorted(found, key=lambda each: (each.last_due, each))[:SCHEDULES]

    def has_item(self, item: ItemId) -> bool:
        with self._data.lock:
            return item in self._data.items

    def close(self) -> None:
        """Nothing to give back."""


def count(data: Data) -> list[QueueFacts]:
    """Exact counts per queue and site."""
    found: defaultdict[tuple[QueueName, SiteName], list[Row]] = defaultdict(list)
    clock = time.time()
    with data.lock:
        for row in [*data.items.values(), *data.dead.values()]:
            if row.codec != CANARY:
                found[row.queue, row.site].append(row)
        pauses = Pauses(holding(data))
        return [pauses.judged(facts(queue, site, rows, clock)) for (queue, site), rows in sorted(found.items())]

"""The ready items of a `memory://` store in both orders of claiming: the plain one, and that of turns.

Each flow (queue, priority, site) has a heap of its items. Each queue has a heap of the flows' first items. The entries
of either are checked when they come up: an item that has changed since, or is not the first any more, is skipped.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left, insort
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from snqd.stores.records import ItemState
from snqd.stores.shares import LOOK_ITEMS, Waiting
from snqd.stores.turns import AGEING_SECONDS, Flow, Part, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from snqd.items import Item, ItemId
    from snqd.stores.memory_data import Row
    from snqd.stores.outcomes import Lane
    from snqd.stores.shares import Take
    from snqd.stores.turns import Alone

_SPARE_HEADS = 64


class Head(NamedTuple):
    """The first item of a flow."""

    priority: int
    available_at: float
    id: ItemId
    site: str


class _Line:
    """What waits of one queue at one priority: a heap for each site, and the sites in order."""

    def __init__(self) -> None:
        self.heaps: dict[str, list[tuple[float, ItemId]]] = {}
        self.sites: list[str] = []

    def heap(self, site: str) -> list[tuple[float, ItemId]]:
        if site not in self.heaps:
            self.heaps[site] = []
            insort(self.sites, site)
        return self.heaps[site]

    def drop(self, site: str) -> None:
        del self.heaps[site]
        del self.sites[bisect_left(self.sites, site)]


class Ready:
    """`row_of` gives the row of an id, if it is still there."""

    def __init__(self, row_of: Callable[[ItemId], Row | None]) -> None:
        self._row_of = row_of
        self._lines: dict[str, dict[int, _Line]] = {}
        self._heads: dict[str, list[Head]] = {}

    def add(self, row: Row) -> None:
        heap = self._lines.setdefault(row.queue, {}).setdefault(row.priority, _Line()).heap(row.site)
        heapq.heappush(heap, (row.available_at, row.id))
        if heap[0][1] == row.id:
            self._push_head(row.queue, Head(row.priority, row.available_at, row.id, row.site))

    def rows(self, lane: Lane, how: Turn | Alone | None) -> Iterator[Row]:
        """What a claim takes, one by one; its caller claims each, or moves it elsewhere, before it takes the next."""
        if isinstance(how, Turn):
            if not how.is_aged:
                yield from self._urgent(lane, how)
            yield from self._in_turns(lane, how)
        heads = sorted((head, queue) for queue in lane.queues if (head := self._head(queue)) is not None)
        for _head, queue in heads:
            while (head := self._head(queue)) is not None:
                yield self._pop(queue, head.priority, head.site)

    def waiting(self, queues: Sequence[str], now: float) -> Iterator[Waiting]:
        """All flows, downwards, with the number of their items up to a bound."""
        for queue in queues:
            for priority in sorted(self._lines.get(queue, {})):
                for site in self._sites(Part(queue), priority):
                    first = self._first(queue, priority, site)
                    entries = self._lines[queue][priority].heaps[site]
                    count = sum(1 for _ in islice((entry for entry in entries if self._is_ready(*entry)), LOOK_ITEMS))
                    if first is not None:
                        yield Waiting(queue, priority, site, count, now - first[0])

    def taken(self, take: Take) -> Iterator[Row]:
        """As `rows`, of one flow."""
        for _ in range(take.items):
            if self._first(take.queue, take.priority, take.site) is None:
                return
            yield self._pop(take.queue, take.priority, take.site)

    def leaves_others(self, lane: Lane, items: Sequence[Item]) -> bool:
        """Whether any flow waits at the priority that a claim has come to, but that of the last item."""
        last = max(items, key=lambda item: item.priority)
        flow = (last.queue, last.site)
        return any((queue, site) != flow for queue in lane.queues for site in self._sites(Part(queue), last.priority))

    def aged_below(self, lane: Lane, priority: int) -> int | None:
        """As `Turns.next` wants it."""
        firsts = [
            (first[0], less)
            for queue in lane.queues
            for less in list(self._lines.get(queue, ()))
            for site in self._sites(Part(queue), less)
            if less > priority and (first := self._first(queue, less, site)) is not None
        ]
        oldest, aged = min(firsts, default=(0.0, None))
        return aged if oldest < time.time() - AGEING_SECONDS else None

    def _urgent(self, lane: Lane, turn: Turn) -> Iterator[Row]:
        for queue in lane.queues:
            while (head := self._head(queue)) is not None and head.priority < turn.priority:
                yield self._pop(queue, head.priority, head.site)

    def _in_turns(self, lane: Lane, turn: Turn) -> Iterator[Row]:
        flows: list[Flow] | None = None
        for _skipped, quota in turn.passes(lane.limit):
            seen = []
            for flow in self._flows(lane, turn) if flows is None else flows:
                seen.append(flow)
                for _ in range(quota):
                    if self._first(flow.queue, turn.priority, flow.site) is None:
                        break
                    yield self._pop(flow.queue, turn.priority, flow.site)
            flows = seen

    def _flows(self, lane: Lane, turn: Turn) -> Iterator[Flow]:
        for part in turn.parts(lane.queues):
            for site in self._sites(part, turn.priority):
                yield Flow(part.queue, site)

    def _sites(self, part: Part, priority: int) -> Iterator[str]:
        """Those that have something, downwards."""
        site = part.below
        while (site := self._site_below(part.queue, priority, site)) is not None and site >= part.lowest:
            yield site

    def _head(self, queue: str) -> Head | None:
        """The first item of a queue."""
        heads = self._heads.get(queue, [])
        while heads:
            head = heads[0]
            if self._first(queue, head.priority, head.site) == (head.available_at, head.id):
                return head
            heapq.heappop(heads)
        return None

    def _site_below(self, queue: str, priority: int, below: str | None) -> str | None:
        line = self._lines.get(queue, {}).get(priority)
        while line is not None:
            index = len(line.sites) if below is None else bisect_left(line.sites, below)
            if index == 0:
                return None
            site = line.sites[index - 1]
            if self._first(queue, priority, site) is not None:
                return site
        return None

    def _first(self, queue: str, priority: int, site: str) -> tuple[float, ItemId] | None:
        """The first entry of a flow; the ones before it that have changed are forgotten, and so is an empty flow."""
        lines = self._lines.get(queue, {})
        line = lines.get(priority)
        if line is None or site not in line.heaps:
            return None
        heap = line.heaps[site]
        has_changed = False
        while heap:
            if self._is_ready(*heap[0]):
                if has_changed:
                    self._push_head(queue, Head(priority, *heap[0], site))
                return heap[0]
            heapq.heappop(heap)
            has_changed = True
        line.drop(site)
        if not line.sites:
            del lines[priority]
        return None

    def _is_ready(self, available_at: float, number: ItemId) -> bool:
        """Whether an entry is still true."""
        row = self._row_of(number)
        return row is not None and row.state is ItemState.READY and row.available_at == available_at

    def _pop(self, queue: str, priority: int, site: str) -> Row:
        """Take the first item of a flow that has one."""
        heap = self._lines[queue][priority].heaps[site]
        _at, number = heapq.heappop(heap)
        if heap:
            self._push_head(queue, Head(priority, *heap[0], site))
        row = self._row_of(number)
        assert row is not None
        return row

    def _push_head(self, queue: str, head: Head) -> None:
        heads = self._heads.setdefault(queue, [])
        heapq.heappush(heads, head)
        lines = self._lines[queue]
        if len(heads) > _SPARE_HEADS + 2 * sum(len(line.sites) for line in lines.values()):
            heads[:] = [
                Head(priority, *heap[0], site)
                for priority, line in lines.items()
                for site, heap in line.heaps.items()
                if heap
            ]
            heapq.heapify(heads)

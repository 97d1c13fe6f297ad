"""Claims, inside an open transaction: in plain order, or in turns (see `snqd.stores.turns`)."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from snqd.items import DEFAULT_SITE, items_of, lines_of
from snqd.stores.outcomes import Exchanged
from snqd.stores.shares import BEYOND_ALL, LOOK_FLOWS, LOOK_ITEMS, Used, Waiting
from snqd.stores.sql import queries
from snqd.stores.sqlite import pauses
from snqd.stores.sqlite.connection import now
from snqd.stores.turns import AGEING_SECONDS, Flow, Part, Turn, in_order, in_turns

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from snqd.items import Item, QueueName
    from snqd.stores.outcomes import Lane
    from snqd.stores.pauses import Pauses
    from snqd.stores.shares import Shares
    from snqd.stores.turns import Turns

    Row = tuple[Any, ...]

_SQL = queries("sqlite")
_HEADS = _SQL["heads"]
_FIRST_READY = _SQL["first_ready"]
_FIRST_URGENT = _SQL["first_urgent"]
_FIRST_OF_FLOW = _SQL["first_of_flow"]
_SITE_BELOW = _SQL["site_below"]
_SITE_ABOVE = _SQL["site_above"]
_FIRST_OF_LINE = _SQL["first_of_line"]
_HAS_LINE = _SQL["has_line"]
_HAS_SITES = _SQL["has_sites"]
_INDEX_SITES = _SQL["index_sites"]
_NEXT_LINE = _SQL["next_line"]
_COUNT_FLOW, _COUNT_LINE = _SQL["count_flow"], _SQL["count_line"]
_IN_FLIGHT, _BUCKETS = _SQL["in_flight"], _SQL["buckets"]
_SPEND, _FORGET_BUCKETS = _SQL["spend"], _SQL["forget_buckets"]
_CLAIM = _SQL["claim"]
_LAST_TOKEN = _SQL["last_token"]
_USE_TOKEN = _SQL["use_token"]
_FLOWS_LIMIT = 1000
"""Flows that one claim passes at most; it takes an item of each, unless they are paused."""
_PRIORITIES_LIMIT = 16
"""Priorities of a queue that are looked at for what has aged."""
_priority = itemgetter(10)
_BEFORE_ALL = -(1 << 31)
"""More urgent than every priority."""


def anything_ready(raw: sqlite3.Connection, lanes: Sequence[Lane]) -> bool:
    """Whether a claim for `lanes` would find something: a plain read."""
    return any(lane.limit > 0 and _heads(raw, lane.queues) for lane in lanes)


def has_sites(raw: sqlite3.Connection) -> bool:
    """Whether there may be items of more sites than one; makes the index that they take turns by."""
    if not raw.execute(_HAS_SITES).fetchone()[0]:
        return False
    raw.execute(_INDEX_SITES)
    return True


def claim(
    raw: sqlite3.Connection,
    lanes: Sequence[Lane],
    paused: Pauses,
    turns: Turns,
    shares: Shares,
    claimant: str,
    lease_seconds: float,
) -> Exchanged:
    """Claim for each lane: the items in the order of handling, and how many were set aside."""
    work = (_Claim if has_sites(raw) else _OneSiteClaim)(raw, paused, claimant, now() + lease_seconds)
    claimed: list[Item] = []
    for lane in paused.open_lanes(lanes):
        if lane.limit > 0 and lane.queues:
            claimed += shares.claim(lane, partial(work.by_turns, turns), partial(work.by_shares, shares))
    work.end()
    return Exchanged(claimed, [], work.aside, work.again_seconds)


class _Claim:
    """The claims of one exchange, which share a fencing token.

    `aside`: how many items were set aside; after `KEEP_ROWS` of a queue no more is claimed from it: others wait for the
    write lock.
    """

    def __init__(self, raw: sqlite3.Connection, paused: Pauses, claimant: str, lease_until: float) -> None:
        self.aside = 0
        self.again_seconds: float | None = None
        self._raw = raw
        self._paused = paused
        self._claimant = claimant
        self._lease_until = lease_until
        self._token = 0
        self._is_used = False

    def end(self) -> None:
        if self._is_used:
            self._raw.execute(_USE_TOKEN, (self._token,))

    def by_turns(self, turns: Turns, lane: Lane) -> list[Item]:
        how = turns.next(lane, self.aged_below)
        if isinstance(how, Turn):
            items = self.in_turns(lane, how)
            turns.claimed(lane, how, lines_of(items))
        else:
            items = self.in_order(lane.queues, lane.limit)
            is_full = len(items) >= lane.limit
            turns.claimed(lane, how, lines_of(items), has_others=is_full and self.leaves_others(lane, items))
        return items

    def by_shares(self, shares: Shares, lane: Lane) -> list[Item]:
        """By limits and weights (see `snqd.stores.shares`). Who writes is alone."""
        clock = now()
        in_flight = {(queue, site): count for queue, site, count in self._raw.execute(_IN_FLIGHT)}
        buckets = {(queue, site): seconds for queue, site, seconds in self._raw.execute(_BUCKETS, {"now": clock})}
        waiting = [each for queue in lane.queues for each in self._look(queue, shares, clock)]
        takes, again_seconds = shares.decide(lane, waiting, Used(in_flight, buckets), is_locked=True)
        if again_seconds is not None:
            self.again_seconds = min(again_seconds, self.again_seconds or again_seconds)
        rows = [row for take in takes for row in self._of_flow(Flow(take.queue, take.site), take.priority, take.items)]
        claimed = self._take(rows)
        if spent := shares.spent(claimed):
            values = ({"queue": queue, "site": site, "now": clock, "seconds": n} for (queue, site), n in spent.items())
            self._raw.executemany(_SPEND, values)
            if shares.wants_to_forget:
                self._raw.execute(_FORGET_BUCKETS, (clock,))
        return in_turns(sorted(claimed, key=in_order))

    def _look(self, queue: QueueName, shares: Shares, clock: float) -> Iterator[Waiting]:
        below = shares.below(queue)
        line = self._raw.execute(_NEXT_LINE, (queue, _BEFORE_ALL)).fetchone()
        for _ in range(_PRIORITIES_LIMIT):
            if line is None:
                return
            priority = line[0]
            for site in islice(self._sites_around(queue, priority, below), LOOK_FLOWS):
                if not self._paused.covers_site(queue, site):
                    items, since = self._count(Flow(queue, site), priority)
                    yield Waiting(queue, priority, site, items, clock - since)
            line = self._raw.execute(_NEXT_LINE, (queue, priority)).fetchone()

    def _sites_around(self, queue: QueueName, priority: int, below: str) -> Iterator[str]:
        for part in (Part(queue, below=below), Part(queue, lowest=below)):
            site: str | None = BEYOND_ALL if part.below is None else part.below
            while site and (site := self._site_below(queue, priority, site, part.lowest)):
                yield site

    def _count(self, flow: Flow, priority: int) -> Row:
        values = (flow.queue, priority, flow.site, LOOK_ITEMS)
        row: Row = self._raw.execute(_COUNT_FLOW, values).fetchone()
        return row

    def in_order(self, queues: Sequence[QueueName], wanted: int) -> list[Item]:
        """The queue with the most urgent, then oldest item first, a batch at a time."""
        claimed: list[Item] = []
        for queue in _heads(self._raw, queues) if len(queues) > 1 else queues:
            if wanted <= len(claimed):
                break
            claimed += self._take(self._first(queue, wanted - len(claimed)))
        return claimed

    def in_turns(self, lane: Lane, turn: Turn) -> list[Item]:
        """What is more urgent, then the flows at that priority, once and again, then the rest."""
        claimed = [] if turn.is_aged else self._urgent(lane, turn, lane.limit)
        flows: list[Flow] | None = None
        for _skipped, quota in turn.passes(lane.limit):
            seen: list[Flow] = []
            rows: list[Row] = []
            for flow in self._flows(lane, turn) if flows is None else flows:
                left = lane.limit - len(claimed) - len(rows)
                if left <= 0:
                    break
                seen.append(flow)
                rows += self._of_flow(flow, turn.priority, min(quota, left))
            claimed += self._take(rows)
            flows = seen
        if turn.is_aged:
            claimed += self._urgent(lane, turn, lane.limit - len(claimed))
        claimed += self.in_order(lane.queues, lane.limit - len(claimed))
        return in_turns(sorted(claimed, key=in_order))

    def aged_below(self, lane: Lane, priority: int) -> int | None:
        """As `Turns.next` wants it."""
        found: list[tuple[float, int]] = []
        for queue in lane.queues:
            line = self._raw.execute(_NEXT_LINE, (queue, priority)).fetchone()
            for _ in range(_PRIORITIES_LIMIT):
                if line is None:
                    break
                found.append((line[1], line[0]))
                line = self._raw.execute(_NEXT_LINE, (queue, line[0])).fetchone()
        oldest, aged = min(found, default=(0.0, None))
        return aged if oldest < now() - AGEING_SECONDS else None

    def leaves_others(self, lane: Lane, items: Sequence[Item]) -> bool:
        """Whether any flow waits at the priority that a claim has come to, but that of the last item."""
        last = max(items, key=_priority)
        for queue in lane.queues:
            below = last.site if queue == last.queue else BEYOND_ALL
            if self._site_below(queue, last.priority, below, "") or self._has_above(queue, last.priority, below):
                return True
        return False

    def _urgent(self, lane: Lane, turn: Turn, wanted: int) -> list[Item]:
        claimed: list[Item] = []
        for queue in lane.queues:
            claimed += self._take(self._first(queue, wanted - len(claimed), urgent=turn.priority))
        return claimed

    def _flows(self, lane: Lane, turn: Turn) -> Iterator[Flow]:
        """From where the turn begins, one at a time."""
        number = 0
        for part in turn.parts(lane.queues):
            site: str | None = BEYOND_ALL if part.below is None else part.below
            while site and (site := self._site_below(part.queue, turn.priority, site, part.lowest)):
                number += 1
                if number > _FLOWS_LIMIT:
                    return
                if not self._paused.covers_site(part.queue, site):
                    yield Flow(part.queue, site)

    def _site_below(self, queue: str, priority: int, below: str, lowest: str) -> str | None:
        found = self._raw.execute(_SITE_BELOW, (queue, priority, below, lowest)).fetchone()
        return None if found is None else str(found[0])

    def _has_above(self, queue: str, priority: int, site: str) -> bool:
        return self._raw.execute(_SITE_ABOVE, (queue, priority, site)).fetchone() is not None

    def _first(self, queue: QueueName, wanted: int, *, urgent: int | None = None) -> list[Row]:
        """The first ready items of a queue, or those more urgent than a priority, when the paused ones are aside."""
        if wanted <= 0:
            return []
        query = _FIRST_READY if urgent is None else _FIRST_URGENT
        values = (self._next_token(), queue, *(() if urgent is None else (urgent,)), wanted)
        rows: list[Row] = self._raw.execute(query, values).fetchall()
        paused, aside = self._paused, 0
        while paused.has_sites and any(paused.covers_site(row[3], row[2]) for row in rows):
            aside += pauses.clear_way(self._raw, paused, queue)
            rows = self._raw.execute(query, values).fetchall() if aside < pauses.KEEP_ROWS else []
        self.aside += aside
        return rows

    def _of_flow(self, flow: Flow, priority: int, wanted: int) -> list[Row]:
        values = (self._next_token(), flow.queue, priority, flow.site, wanted)
        return self._raw.execute(_FIRST_OF_FLOW, values).fetchall()

    def _take(self, rows: list[Row]) -> list[Item]:
        if rows:
            ids = json.dumps([row[0] for row in rows])
            self._raw.execute(_CLAIM, (self._claimant, self._lease_until, self._token, ids))
            self._is_used = True
        return items_of(rows)

    def _next_token(self) -> int:
        self._token = self._token or self._raw.execute(_LAST_TOKEN).fetchone()[0] + 1
        return self._token


class _OneSiteClaim(_Claim):
    """The same where no item is of another site than `default`: without an index by site."""

    def _site_below(self, queue: str, priority: int, below: str, lowest: str) -> str | None:
        has_site = lowest <= DEFAULT_SITE < below and self._raw.execute(_HAS_LINE, (queue, priority)).fetchone()[0]
        return DEFAULT_SITE if has_site else None

    def _count(self, flow: Flow, priority: int) -> Row:
        row: Row = self._raw.execute(_COUNT_LINE, (flow.queue, priority, LOOK_ITEMS)).fetchone()
        return row

    def _has_above(self, queue: str, priority: int, site: str) -> bool:  # noqa: ARG002  (there is none above itself)
        return False

    def _of_flow(self, flow: Flow, priority: int, wanted: int) -> list[Row]:
        return self._raw.execute(_FIRST_OF_LINE, (self._next_token(), flow.queue, priority, wanted)).fetchall()


def _heads(raw: sqlite3.Connection, queues: Sequence[QueueName]) -> list[QueueName]:
    """The queues that have something ready, most urgent first."""
    return [queue for (queue,) in raw.execute(_HEADS, (json.dumps(queues),))]

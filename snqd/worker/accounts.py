"""Accounts: what became of items, put into the ledger a batch at a time.

The store's thread *stages* the outcomes of an exchange before it, and *posts* them when it is committed: a claim that
was handled is counted when the store knows it, and never otherwise. Which end of a claim is counted as what, and the
sums that hold, are told in `snqd.telemetry.ledger`.

A claim has a row of the ledger from when it is counted until its end is, so that it ends once, however often something
is reported of it. A batch of one flow that is all done, which is what the highest rates are made of, is counted by
functions in C and one list comprehension. `python -m bench.accounts` measures it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from enum import Enum
from itertools import repeat
from operator import itemgetter, sub
from typing import TYPE_CHECKING, cast

from snqd.items import CANARY
from snqd.stores.base import DeadLettered, DeadReason, Discarded, Done, Released, Retried
from snqd.telemetry.ledger import Count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from snqd.items import Item, ItemId, QueueName
    from snqd.stores.base import Outcome
    from snqd.telemetry.ledger import LedgerWriter, Stage


class Settled(Enum):
    """Ends of a claim that the store knows already."""

    HANDLED = "handled"
    """The handler's own transaction has acked it."""
    LOST = "lost"
    """It was no longer ours."""


Report = tuple["Item", "Outcome | Settled", int, int]
"""What the main thread reports of an item: how it ended, and when its handler was called and returned (CLOCK_MONOTONIC,
in ns; 0 and 0 when no handler ran). A plain tuple, because one is made for every item."""

_id = itemgetter(0)
_flow_and_codec = itemgetter(3, 2, 4)
_available_at = itemgetter(9)
_ONLY_DONE = {Done}
_CANARY_ROW = -1
_TIMED = frozenset({Count.HANDLED, Count.FAILED, Count.RETRIED, Count.DISCARDED})
"""Ends of handlings that ended by themselves: these have run and wait times."""


def end_of(outcome: Outcome | Settled) -> int:
    """What the end of a claim is counted as. A dead letter is counted as such too."""
    match outcome:
        case Done() | Settled.HANDLED:
            return Count.HANDLED
        case DeadLettered(reason=DeadReason.BAD_ITEM):
            return Count.BAD_ITEMS
        case Retried() | DeadLettered():
            return Count.FAILED if outcome.traceback else Count.RETRIED
        case Discarded():
            return Count.DISCARDED
        case Released():
            return Count.RELEASED
        case Settled.LOST:
            return Count.LEASES_LOST


class Reports:
    """Reports of one exchange, by column too. At least one."""

    __slots__ = ("ended", "items", "kinds", "outcomes", "rows", "started")

    def __init__(self, rows: Sequence[Report]) -> None:
        self.rows = rows
        self.items, self.outcomes, self.started, self.ended = zip(*rows, strict=True)
        self.kinds = set(map(type, self.outcomes))

    @property
    def told(self) -> Sequence[Outcome]:
        """What the store has to be told."""
        if Settled not in self.kinds:
            return cast("Sequence[Outcome]", self.outcomes)
        return [outcome for outcome in self.outcomes if not isinstance(outcome, Settled)]


class Batch:
    """What an exchange will have done, once it is committed."""

    __slots__ = ("canaries", "ids", "ran", "stage")

    def __init__(self, stage: Stage, ids: Collection[ItemId]) -> None:
        self.stage = stage
        self.ids = ids
        """The claims that end with it."""
        self.ran: dict[str, int] = {}
        self.canaries: list[Item] = []


class Accounts:
    """One per worker; the store's thread uses it. The main one calls `acked` and reads `ran`."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self._ledger = ledger
        self.held: dict[ItemId, Item] = {}
        """The claims that have not ended."""
        self._row = 0
        self._rows: dict[ItemId, int] | None = None
        """The row of each claim in `held`; None = `_row` is that of all."""
        self._lost: set[tuple[ItemId, int]] = set()
        self.ran: dict[str, int] = {}
        """Handlings that have ended, by queue, since the process began: what its memory's growth is attributed by."""

    # ---- claims

    def claimed(self, items: Sequence[Item]) -> Iterable[tuple[QueueName, int]]:
        """Count claims; how many of each queue they are, canaries included, where a queue may come several times."""
        held = self.held
        ids = list(map(_id, items))
        if not held.keys().isdisjoint(ids):  # our lease on it ran out and we were the next to claim it
            for number in held.keys() & ids:
                self._lose(held[number])
        flows = list(map(_flow_and_codec, items))
        if flows.count(flows[0]) == len(flows):
            self._note(ids, self._claim(flows[0], len(flows)))
            held.update(zip(ids, items, strict=True))
            return ((flows[0][0], len(flows)),)
        counts = Counter(flows)
        rows = {flow: self._claim(flow, count) for flow, count in counts.items()}
        self._spread().update(zip(ids, map(rows.__getitem__, flows), strict=True))
        held.update(zip(ids, items, strict=True))
        return [(queue, count) for (queue, _site, _codec), count in counts.items()]

    def _claim(self, flow: tuple[str, str, str], count: int) -> int:
        queue, site, codec = flow
        if codec == CANARY:
            return _CANARY_ROW
        row = self._ledger.row(queue, site)
        self._ledger.add(row, Count.CLAIMED, count)
        self._ledger.tell((row,))
        return row

    def _note(self, ids: Sequence[ItemId], row: int) -> None:
        """New claims belong to `row`."""
        if not self.held:
            self._rows, self._row = None, row
        elif self._rows is not None or row != self._row:
            self._spread().update(zip(ids, repeat(row)))

    def _spread(self) -> dict[ItemId, int]:
        if self._rows is None:
            self._rows = dict.fromkeys(self.held, self._row)
        return self._rows

    def _row_of(self, number: ItemId) -> int | None:
        """None for what is not held."""
        rows = self._rows
        if rows is not None:
            return rows.get(number)
        return self._row if number in self.held else None

    def _lose(self, item: Item) -> None:
        """A claim was lost, and what will be reported of it does not count."""
        row = self._row_of(item.id)
        self._lost.add((item.id, item.token))
        self._forget((item.id,))
        if row is not None and row != _CANARY_ROW:
            self._ledger.add(row, Count.LEASES_LOST, 1)
            self._ledger.tell((row,))

    def _forget(self, ids: Collection[ItemId]) -> None:
        deque(map(self.held.pop, ids, repeat(None)), maxlen=0)
        if self._rows is not None:
            deque(map(self._rows.pop, ids, repeat(None)), maxlen=0)

    # ---- their ends

    def acked(self, item: Item) -> None:
        """A handler's own transaction has acked the item. Call in the main thread, before it is reported."""
        self._ledger.acked(self._row_of(item.id) or 0)

    def stage(self, reports: Reports, *, with_repeats: bool) -> Batch:
        """What to post when the exchange that tells the store these is committed; announced, lest we die of it.

        `with_repeats`: a claim may be in it twice; the first report counts.
        """
        batch = None if with_repeats or self._lost or reports.kinds != _ONLY_DONE else self._uniform(reports)
        if batch is None:
            batch = self._mixed(reports, {})
        witness = next((item.id for item, outcome, *_ in reports.rows if type(outcome) is not Settled), None)
        if witness is not None:
            self._ledger.announce(batch.stage, witness)
        return batch

    def post(self, batch: Batch, reports: Reports, changed: Mapping[ItemId, Settled]) -> None:
        """The exchange is committed. `changed`: claims that have ended otherwise than was reported."""
        if changed:
            batch = self._mixed(reports, changed)
        self._ledger.post(batch.stage)
        for queue, count in batch.ran.items():
            self.ran[queue] = self.ran.get(queue, 0) + count
        for item in batch.canaries:
            number = int(item.frame) if item.frame.isdigit() else 0
            self._ledger.canary_returned(item.queue, number % (1 << 63), time.time())
        self._forget(batch.ids)
        if self._lost:
            self._lost.difference_update((item.id, item.token) for item in reports.items)

    def _uniform(self, reports: Reports) -> Batch | None:
        """The batch when all of it is of one flow (and done); None if it is not, or if anything is not held."""
        items = reports.items
        ids = list(map(_id, items))
        row = self._row_of(ids[0])
        if row is None or row == _CANARY_ROW:
            return None
        if self._rows is None:
            if list(map(self.held.get, ids)) != list(items):
                return None
        elif list(map(self._rows.get, ids)).count(row) != len(ids):
            return None
        batch = Batch(self._ledger.stage(), ids)
        batch.stage.add(row, Count.HANDLED, len(ids))
        _add_times(batch.stage, row, reports.started, reports.ended, map(_available_at, items))
        batch.ran[items[0].queue] = len(ids)
        return batch

    def _mixed(self, reports: Reports, changed: Mapping[ItemId, Settled]) -> Batch:
        ids: set[ItemId] = set()
        batch = Batch(self._ledger.stage(), ids)
        done: defaultdict[int, list[Report]] = defaultdict(list)
        timed: defaultdict[int, list[Report]] = defaultdict(list)
        rows, lost = self._spread(), self._lost
        acks = reports.outcomes.count(Settled.HANDLED) if Settled in reports.kinds else 0
        for report in reports.rows:
            item, outcome = report[0], report[1]
            number = item.id
            row = rows.get(number)
            if row is None or number in ids or (lost and (number, item.token) in lost):
                continue  # its end was counted before
            ids.add(number)
            if changed:
                outcome = changed.get(number, outcome)
            if row == _CANARY_ROW:
                if type(outcome) is Done:
                    batch.canaries.append(item)
            elif type(outcome) is Done:
                done[row].append(report)
            else:
                end = end_of(outcome)
                batch.stage.add(row, end, 1)
                if type(outcome) is DeadLettered:
                    batch.stage.add(row, Count.DEAD_LETTERED, 1)
                if report[2] and end in _TIMED:
                    timed[row].append(report)
        if acks:
            batch.stage.count_acks(acks)
        for row, handlings in done.items():
            batch.stage.add(row, Count.HANDLED, len(handlings))
            timed[row] += handlings
        for row, handlings in timed.items():
            items, _outcomes, started, ended = zip(*handlings, strict=True)
            _add_times(batch.stage, row, started, ended, map(_available_at, items))
            queue = items[0].queue
            batch.ran[queue] = batch.ran.get(queue, 0) + len(items)
        return batch


def _add_times(
    stage: Stage, row: int, started: Sequence[int], ended: Sequence[int], available: Iterable[float]
) -> None:
    """Run times, and the times from when items could be claimed until their handlers began, by the host's clock."""
    to_epoch = time.time_ns() - time.monotonic_ns()
    if len(started) == 1:  # many flows with an item each are usual where there are many sites
        wait = max(0, to_epoch + started[0] - int(next(iter(available)) * 1e9))
        stage.add_times(row, ended[0] - started[0], wait)
        return
    runs = list(map(sub, ended, started))
    stage.add_durations(row, Count.RUN, runs, sum(runs))
    waits = [to_epoch + start - at * 1e9 for start, at in zip(started, available, strict=True)]
    waits.sort()
    if waits[0] < 0:  # the store's clock is ahead of ours
        waits = [max(0.0, wait) for wait in waits]
    stage.add_durations(row, Count.WAIT, waits, int(sum(waits)))

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
from collections import Counter, defaultdict
from enum import Enum
from itertools import repeat
from operator import itemgetter, sub
from typing import TYPE_CHECKING

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


class Batch:
    """What an exchange will have done, once it is committed."""

    __slots__ = ("canaries", "ids", "ran", "stage")

    def __init__(self, stage: Stage, ids: Collection[ItemId]) -> None:
        self.stage = stage
        self.ids = ids
        self.ran: dict[str, int] = {}
        self.canaries: list[Item] = []


class Accounts:
    """One per worker; the store's thread uses it. `ran` may be read by the main one."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self._ledger = ledger
        self._rows: dict[ItemId, int] = {}  # of the claims that have not ended
        self._lost: set[tuple[ItemId, int]] = set()
        self.ran: dict[str, int] = {}
        """Handlings that have ended, by queue, since the process began: what its memory's growth is attributed by."""

    # ---- claims

    def claimed(self, items: Sequence[Item]) -> Iterable[tuple[QueueName, int]]:
        """Count claims; how many of each queue they are, canaries included, where a queue may come several times."""
        flows = list(map(_flow_and_codec, items))
        if flows.count(flows[0]) == len(flows):
            row = self._claim(flows[0], len(flows))
            self._rows.update(zip(map(_id, items), repeat(row)))
            return ((flows[0][0], len(flows)),)
        counts = Counter(flows)
        rows = {flow: self._claim(flow, count) for flow, count in counts.items()}
        self._rows.update(zip(map(_id, items), map(rows.__getitem__, flows), strict=True))
        return [(queue, count) for (queue, _site, _codec), count in counts.items()]

    def _claim(self, flow: tuple[str, str, str], count: int) -> int:
        queue, site, codec = flow
        if codec == CANARY:
            return _CANARY_ROW
        row = self._ledger.row(queue, site)
        self._ledger.add(row, Count.CLAIMED, count)
        self._ledger.tell((row,))
        return row

    def lost(self, item: Item) -> None:
        """A claim was lost, and what will be reported of it does not count."""
        self._lost.add((item.id, item.token))
        row = self._rows.pop(item.id, None)
        if row is not None and row != _CANARY_ROW:
            self._ledger.add(row, Count.LEASES_LOST, 1)
            self._ledger.tell((row,))

    # ---- their ends

    def acked(self, item: Item) -> None:
        """A handler's own transaction has acked the item. Call in the main thread, before it is reported."""
        self._ledger.acked(self._rows.get(item.id, 0))

    def stage(self, reports: Sequence[Report], *, with_repeats: bool) -> Batch:
        """What to post when the exchange that tells the store these is committed; announced, lest we die of it.

        `with_repeats`: a claim may be in it twice; the first report counts.
        """
        batch = None if with_repeats or self._lost else self._uniform(reports)
        if batch is None:
            batch = self._mixed(reports, {})
        witness = next((report[0].id for report in reports if type(report[1]) is not Settled), None)
        if witness is not None:
            self._ledger.announce(batch.stage, witness)
        return batch

    def post(self, batch: Batch, reports: Sequence[Report], changed: Mapping[ItemId, Settled]) -> Collection[ItemId]:
        """The exchange is committed; the claims that have ended. `changed`: otherwise than was reported."""
        if changed:
            batch = self._mixed(reports, changed)
        self._ledger.post(batch.stage)
        for queue, count in batch.ran.items():
            self.ran[queue] = self.ran.get(queue, 0) + count
        for item in batch.canaries:
            number = int(item.frame) if item.frame.isdigit() else 0
            self._ledger.canary_returned(item.queue, number % (1 << 63), time.time())
        forget = self._rows.pop
        for number in batch.ids:
            forget(number, None)
        if self._lost:
            self._lost.difference_update((report[0].id, report[0].token) for report in reports)
        return batch.ids

    def _uniform(self, reports: Sequence[Report]) -> Batch | None:
        """The batch when all of it is of one flow and done; None if anything is unusual."""
        items, outcomes, started, ended = zip(*reports, strict=True)
        ids = list(map(_id, items))
        rows = list(map(self._rows.get, ids))
        row = rows[0]
        if row is None or row < 0 or rows.count(row) != len(rows) or set(map(type, outcomes)) != _ONLY_DONE:
            return None
        batch = Batch(self._ledger.stage(), ids)
        batch.stage.add(row, Count.HANDLED, len(ids))
        _add_times(batch.stage, row, started, ended, list(map(_available_at, items)))
        batch.ran[items[0].queue] = len(ids)
        return batch

    def _mixed(self, reports: Sequence[Report], changed: Mapping[ItemId, Settled]) -> Batch:
        ids: set[ItemId] = set()
        batch = Batch(self._ledger.stage(), ids)
        done: defaultdict[int, list[Report]] = defaultdict(list)
        timed: defaultdict[int, list[Report]] = defaultdict(list)
        rows, lost = self._rows, self._lost
        acks = 0
        for report in reports:
            item, outcome = report[0], report[1]
            acks += outcome is Settled.HANDLED
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
            _add_times(batch.stage, row, started, ended, list(map(_available_at, items)))
            queue = items[0].queue
            batch.ran[queue] = batch.ran.get(queue, 0) + len(items)
        return batch


def _add_times(
    stage: Stage, row: int, started: Sequence[int], ended: Sequence[int], available: Sequence[float]
) -> None:
    """Run times, and the times from when items could be claimed until their handlers began, by the host's clock."""
    to_epoch = time.time_ns() - time.monotonic_ns()
    if len(started) == 1:  # many flows with an item each are usual where there are many sites
        wait = max(0, to_epoch + started[0] - int(available[0] * 1e9))
        stage.add_times(row, ended[0] - started[0], wait)
        return
    runs = list(map(sub, ended, started))
    stage.add_durations(row, Count.RUN, runs, sum(runs))
    waits = [to_epoch + start - at * 1e9 for start, at in zip(started, available, strict=True)]
    waits.sort()
    if waits[0] < 0:  # the store's clock is ahead of ours
        waits = [max(0.0, wait) for wait in waits]
    stage.add_durations(row, Count.WAIT, waits, int(sum(waits)))

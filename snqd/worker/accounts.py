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
from collections import defaultdict, deque
from enum import Enum
from itertools import repeat
from operator import itemgetter, sub
from typing import TYPE_CHECKING, cast

from snqd.items import CANARY, line_of
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Released, Retried
from snqd.telemetry.ledger import Count
from snqd.worker.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from snqd.items import Item, ItemId, Line
    from snqd.stores.outcomes import Outcome
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
_available_at = itemgetter(9)
_ONLY_DONE = {Done}
_CANARY_ROW = -1
_DIGITS = 19  # of a number that is too large for a word of the ledger
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


class Accounts(Claims):
    """The claims of a worker, and what became of each of them."""

    def __init__(self, ledger: LedgerWriter) -> None:
        super().__init__()
        self._ledger = ledger
        self._row = 0
        self._rows: dict[ItemId, int] | None = None
        """The row of each claim in `held`; None = `_row` is that of all."""

    # ---- claims

    def claimed(self, items: Sequence[Item], lines: Mapping[Line, int]) -> None:
        """Count claims."""
        held = self.held
        ids = list(map(_id, items))
        if not held.keys().isdisjoint(ids):  # our lease on it ran out and we were the next to claim it
            for number in held.keys() & ids:
                self._lose(held[number])
        rows = self._claim(lines)
        if len(lines) == 1:
            self._note(ids, *rows.values())
        else:
            self._spread().update(zip(ids, map(rows.__getitem__, map(line_of, items)), strict=True))
        held.update(zip(ids, items, strict=True))

    def _claim(self, lines: Mapping[Line, int]) -> dict[Line, int]:
        """Count claims; the row of each line."""
        users = [line for line in lines if line[3] != CANARY]
        rows = dict.fromkeys(lines, _CANARY_ROW)
        rows.update(zip(users, self._ledger.claim((line[1:3], lines[line]) for line in users), strict=True))
        return rows

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
        self._ledger.acked(self._row_of(item.id) or 0, item.id)

    def stage(self, reports: Reports, *, with_repeats: bool) -> Batch:
        """What to post when the exchange that tells the store these is committed; announced, lest we die of it."""
        batch = None if with_repeats or self._lost or reports.kinds != _ONLY_DONE else self._done(reports)
        if batch is None:
            batch = self._mixed(reports, {})
        witness = next((item.id for item, outcome, *_ in reports.rows if type(outcome) is not Settled), 0)
        self._ledger.announce(batch.stage, witness)
        return batch

    def post(self, batch: Batch | None, reports: Reports, changed: Mapping[ItemId, Settled]) -> None:
        assert batch is not None, "`stage` gives one"
        if changed:
            batch = self._mixed(reports, changed)
        self._ledger.post(batch.stage)
        for queue, count in batch.ran.items():
            self.ran[queue] = self.ran.get(queue, 0) + count
        for item in batch.canaries:
            number = int(item.frame) if len(item.frame) < _DIGITS and item.frame.isdigit() else 0
            self._ledger.canary_returned(item.queue, number, time.time())
        self._forget(batch.ids)
        if self._lost:
            self._lost.difference_update((item.id, item.token) for item in reports.items)

    def _done(self, reports: Reports) -> Batch | None:
        """The batch when all items are done; None if there are canaries among them. All are held."""
        items = reports.items
        ids = list(map(_id, items))
        batch = Batch(self._ledger.stage(), ids)
        if self._rows is None:
            row = self._row
            if row == _CANARY_ROW:
                return None
            batch.stage.add(row, Count.HANDLED, len(ids))
            _add_times(batch.stage, row, reports.started, reports.ended, items)
            _count_ran(batch, items[0].queue, len(ids))
            return batch
        by_row: defaultdict[int | None, list[Report]] = defaultdict(list)
        for found, report in zip(map(self._rows.get, ids), reports.rows, strict=True):
            by_row[found].append(report)
        if None in by_row or _CANARY_ROW in by_row:
            return None
        self._add_done(batch, cast("Mapping[int, list[Report]]", by_row))
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
        self._add_done(batch, done)
        for row, handlings in timed.items():
            items, _outcomes, started, ended = zip(*handlings, strict=True)
            _add_times(batch.stage, row, started, ended, items)
            _count_ran(batch, items[0].queue, len(items))
        return batch

    def _add_done(self, batch: Batch, done: Mapping[int, list[Report]]) -> None:
        to_epoch = time.time_ns() - time.monotonic_ns()
        singles = []
        for row, handlings in done.items():
            if len(handlings) == 1 and row not in batch.stage.rows:
                item, _outcome, started, ended = handlings[0]
                wait = to_epoch + started - int(item.available_at * 1e9)
                singles.append((row, ended - started, max(0, wait)))
                _count_ran(batch, item.queue, 1)
            else:
                items, _outcomes, starts, ends = zip(*handlings, strict=True)
                batch.stage.add(row, Count.HANDLED, len(items))
                _add_times(batch.stage, row, starts, ends, items)
                _count_ran(batch, items[0].queue, len(items))
        batch.stage.add_handled(singles)


def _count_ran(batch: Batch, queue: str, count: int) -> None:
    batch.ran[queue] = batch.ran.get(queue, 0) + count


def _add_times(stage: Stage, row: int, started: Sequence[int], ended: Sequence[int], items: Sequence[Item]) -> None:
    """Run times, and the times from when items could be claimed until their handlers began, by the host's clock."""
    runs = list(map(sub, ended, started))
    stage.add_durations(row, Count.RUN, runs, sum(runs))
    to_epoch = time.time_ns() - time.monotonic_ns()
    starts, ats = sorted(started), sorted(map(_available_at, items))  # as they mostly are, so it is quick
    shortest, longest = to_epoch + starts[0] - ats[-1] * 1e9, to_epoch + starts[-1] - ats[0] * 1e9
    if shortest >= 0 and stage.add_alike(row, Count.WAIT, len(starts), shortest, longest):
        stage.add(row, Count.WAIT_NS, len(starts) * to_epoch + sum(starts) - int(sum(ats) * 1e9))
        return
    waits = [to_epoch + start - item.available_at * 1e9 for start, item in zip(started, items, strict=True)]
    if shortest < 0:  # the store's clock may be ahead of ours
        waits = [max(0.0, wait) for wait in waits]
    stage.add_durations(row, Count.WAIT, waits, int(sum(waits)))

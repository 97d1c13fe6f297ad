"""`MemoryStore`: items in the memory of one process, for tests and for programs that can lose them.

`memory://name` is the same data for every store of the process that says that name, in any thread; it is gone with the
process. See `memory_data.py` for how they are kept.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, assert_never

from snqd.errors import LeaseLost
from snqd.items import CANARY, lines_of
from snqd.stores import memory_pauses, memory_schedules
from snqd.stores.base import SchemaStatus
from snqd.stores.history import error_text
from snqd.stores.limits import NO_LIMITS
from snqd.stores.memory_data import Data, Row, check
from snqd.stores.memory_people import People
from snqd.stores.memory_probe import MemoryProbe
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Exchanged, Released, Retried
from snqd.stores.pauses import NO_PAUSES, Pauses, check_target
from snqd.stores.records import ItemState
from snqd.stores.repairs import Blamed, Duty, Expired, Promoted, Reclaimed, Repaired, expired, given_back
from snqd.stores.shares import Shares, Used
from snqd.stores.turns import Turn, Turns, in_order, in_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from snqd.config.schema import StoreConfig
    from snqd.items import Item, ItemId, NewItem, QueueName, SiteName
    from snqd.stores.outcomes import Lane, Outcome
    from snqd.stores.pauses import Pause, PausesKept
    from snqd.stores.repairs import Blame
    from snqd.stores.schedules import Due, Kept, Ran, ScheduleRow, Wanted


_by_name: defaultdict[str, Data] = defaultdict(Data)


class MemoryTransaction:
    """What a transactional handler gets: items that are stored if and only if its item is acked."""

    def __init__(self) -> None:
        self.items: list[NewItem] = []


def enqueue(connection: MemoryTransaction, items: Sequence[NewItem]) -> list[ItemId | None]:
    """Store `items` with the transaction; their ids are not known yet."""
    connection.items.extend(items)
    return [None] * len(items)


def enqueue_many(connection: MemoryTransaction, items: Iterable[NewItem]) -> int:
    before = len(connection.items)
    connection.items.extend(items)
    return len(connection.items) - before


class MemoryStore(People):
    """See `snqd.stores.base.Store`. Unlike other stores it may be used by any thread at any time."""

    kind = "memory"
    linger_seconds = 0.0
    wakes_all = False
    shows_items = True

    def __init__(self, config: StoreConfig) -> None:
        self.claimant = ""
        self.wakeup_problem: str | None = None
        self._lease_seconds = config.lease_seconds
        self._data = _by_name[config.url.removeprefix("memory://")]
        self.limits = NO_LIMITS
        self._turns = Turns()
        self._shares = Shares()
        self._paused = NO_PAUSES
        self._aside = 0
        self._again_seconds: float | None = None
        self._bell: tuple[int, int] | None = None

    # connection

    def connect(self) -> None:
        """Nothing to do."""

    def reconnect(self, held: Iterable[Item]) -> None:
        kept = {(item.id, item.token) for item in held}
        with self._data.lock:
            for row in self._claimed():
                if row.claimed_by == self.claimant and (row.id, row.token) not in kept:
                    self._data.place(row, ItemState.READY)

    def close(self) -> None:
        self.close_wakeups()

    # enqueue

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        for item in items:
            check(item)
        with self._data.lock:
            ids = [self._data.add(item) for item in items]
            if any(item_id is not None for item_id in ids):
                self._data.ring()
        return ids

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        return sum(item_id is not None for item_id in self.enqueue(list(items)))

    # work

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        with self._data.lock:
            lost = [outcome.item for outcome in outcomes if not self._carry_out(outcome)]
            return self._claim(lanes, lost)

    def renew(self, items: Sequence[Item]) -> list[Item]:
        lost = []
        with self._data.lock:
            for item in items:
                row = self._held(item)
                if row is None:
                    lost.append(item)
                else:
                    row.lease_until = time.time() + self._lease_seconds
        return lost

    @contextmanager
    def transaction(self, item: Item) -> Iterator[MemoryTransaction]:
        with self._data.lock:
            self._need(item)
        work = MemoryTransaction()
        yield work
        with self._data.lock:
            self._need(item)
            self._carry_out(Done(item, tuple(work.items)))

    # care

    def promote(self) -> Promoted:
        data = self._data
        promoted = 0
        with data.lock:
            due = data.due()
            while due is not None and due <= time.time():
                row = data.items[data.scheduled[0][1]]
                data.place(row, ItemState.READY)
                promoted += 1
                due = data.due()
            return Promoted(promoted, None if due is None else max(0.0, due - time.time()))

    def reclaim(self) -> list[Reclaimed]:
        found: defaultdict[tuple[str, QueueName, SiteName], int] = defaultdict(int)
        with self._data.lock:
            for row in self._claimed():
                if row.lease_until < time.time():
                    found[row.claimed_by, row.queue, row.site] += row.codec != CANARY
                    self._data.place(row, ItemState.READY)
        return [Reclaimed(*key, items) for key, items in found.items()]

    def claimants(self) -> list[str]:
        with self._data.lock:
            return sorted({row.claimed_by for row in self._claimed()})

    def repair(self, claimant: str, blames: Sequence[Blame], *, crash_limit: int) -> Repaired:
        with self._data.lock:
            found = [self._blame(claimant, blame, crash_limit) for blame in blames]
            blamed = [each for each in found if each is not None]
            left = [row for row in self._claimed() if row.claimed_by == claimant]
            for row in left:
                self._data.place(row, ItemState.READY)
            released, ids = given_back((row.id, row.queue, row.site, row.codec) for row in left)
            return Repaired(blamed, released, ids.union(each.item for each in blamed))

    def take_duty(self, group: str, *, seconds: float, instead_of: str = "") -> Duty:
        with self._data.lock:
            now = time.time()
            seen, until = self._data.duties.get(group, ("", 0.0))
            if seen not in ("", self.claimant, instead_of) and until > now:
                return Duty(seen)
            self._data.duties[group] = (self.claimant, now + seconds)
            return Duty(self.claimant, before=seen if seen != self.claimant else "")

    def leave_duty(self, group: str) -> None:
        with self._data.lock:
            if self._data.duties.get(group, ("", 0.0))[0] == self.claimant:
                del self._data.duties[group]

    def unhandled_queues(self, handled: Sequence[QueueName]) -> list[QueueName]:
        with self._data.lock:
            found = {row.queue for row in self._data.items.values() if row.codec != CANARY}
            return sorted(found - set(handled))

    def expire_dead(self, seconds: float, *, limit: int) -> list[Expired]:
        with self._data.lock:
            until = time.time() - seconds
            old = sorted((row.died, row.id) for row in self._data.dead.values() if row.died < until)[:limit]
            return expired((self._data.dead.pop(item_id).queue, died) for died, item_id in old)

    # pauses

    def pause(
        self,
        queue: QueueName | None,
        site: SiteName | None,
        *,
        author: str,
        reason: str = "",
        seconds: float | None = None,
    ) -> Pause:
        queue, site = check_target(queue, site)
        with self._data.lock:
            return memory_pauses.pause(self._data, queue, site, author=author, reason=reason, seconds=seconds)

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        queue, site = check_target(queue, site)
        with self._data.lock:
            return memory_pauses.resume(self._data, queue, site, author=author)

    def pauses(self) -> list[Pause]:
        with self._data.lock:
            return memory_pauses.holding(self._data)

    def keep_pauses(self) -> PausesKept:
        with self._data.lock:
            return memory_pauses.keep(self._data)

    # schedules

    def schedules(self) -> list[ScheduleRow]:
        with self._data.lock:
            return memory_schedules.rows(self._data)

    def keep_schedules(self, wanted: Sequence[Wanted], declared_by: str) -> Kept:
        with self._data.lock:
            return memory_schedules.keep(self._data, wanted, declared_by)

    def run_schedules(self, dues: Sequence[Due], declared_by: str) -> Ran:
        with self._data.lock:
            return memory_schedules.run(self._data, dues, declared_by)

    def was_run(self, site: str, name: str) -> None:
        with self._data.lock:
            memory_schedules.was_run(self._data, site, name)

    # waking

    def open_wakeups(self) -> list[int]:
        if self._bell is None:
            self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            with self._data.lock:
                self._data.bells.add(self._bell[1])
        return [self._bell[0]]

    def read_wakeups(self) -> bool:
        if self._bell is None:
            return False
        try:
            return bool(os.read(self._bell[0], 4096))
        except BlockingIOError:
            return False

    def close_wakeups(self) -> None:
        if self._bell is not None:
            with self._data.lock:
                self._data.bells.discard(self._bell[1])
            for end in self._bell:
                os.close(end)
            self._bell = None

    def probe(self) -> MemoryProbe:
        return MemoryProbe(self._data)

    # schema

    def schema_status(self) -> SchemaStatus:
        return SchemaStatus(applied=(), known=())

    def schema_upgrade(self) -> list[str]:
        return []

    # inside: with the lock held

    def _held(self, item: Item) -> Row | None:
        row = self._data.items.get(item.id)
        return row if row is not None and row.token == item.token else None

    def _need(self, item: Item) -> None:
        if self._held(item) is None:
            raise LeaseLost(f"item {item.id} of queue {item.queue!r}: its claim is no longer ours")

    def _claimed(self) -> list[Row]:
        return [row for row in self._data.items.values() if row.state is ItemState.CLAIMED]

    def _pauses(self) -> Pauses:
        return Pauses(memory_pauses.holding(self._data))

    def _claim(self, lanes: Sequence[Lane], lost: list[Item]) -> Exchanged:
        self._paused, self._aside, self._again_seconds = self._pauses(), 0, None
        self._shares.limits = self.limits
        self._data.last_token += 1
        claimed = [
            item
            for lane in self._paused.open_lanes(lanes)
            if lane.limit > 0
            for item in self._shares.claim(lane, self._claim_plain, self._claim_shared)
        ]
        return Exchanged(claimed, lost, self._aside, self._again_seconds)

    def _claim_plain(self, lane: Lane) -> list[Item]:
        how = self._turns.next(lane, self._data.ready.aged_below)
        found: list[Item] = []
        for row in self._data.ready.rows(lane, how):
            if self._paused.covers_site(row.queue, row.site):
                self._data.place(row, ItemState.PAUSED)
                self._aside += 1
                continue
            found.append(self._give(row))
            if len(found) == lane.limit:
                break
        has_others = bool(found) and self._data.ready.leaves_others(lane, found)
        self._turns.claimed(lane, how, lines_of(found), has_others=has_others)
        return in_turns(sorted(found, key=in_order)) if isinstance(how, Turn) else found

    def _claim_shared(self, lane: Lane) -> list[Item]:
        """By limits and weights."""
        data, shares, now = self._data, self._shares, time.time()
        in_flight: Counter[tuple[str, str]] = Counter((row.queue, row.site) for row in self._claimed())
        used = Used(in_flight, {target: at - now for target, at in data.buckets.items() if at > now})
        waiting = [
            each for each in data.ready.waiting(lane.queues, now) if not self._paused.covers_site(each.queue, each.site)
        ]
        takes, again_seconds = shares.decide(lane, waiting, used, is_locked=True)
        if again_seconds is not None:
            self._again_seconds = min(again_seconds, self._again_seconds or again_seconds)
        found = [self._give(row) for take in takes for row in data.ready.taken(take)]
        for target, seconds in shares.spent(found).items():
            data.buckets[target] = max(now, data.buckets.get(target, now)) + seconds
        return in_turns(sorted(found, key=in_order))

    def _give(self, row: Row) -> Item:
        row.state = ItemState.CLAIMED
        row.token = self._data.last_token
        row.claimed_by = self.claimant
        row.lease_until = time.time() + self._lease_seconds
        return row.item()

    def _carry_out(self, outcome: Outcome) -> bool:
        row = self._held(outcome.item)
        if row is None:
            return False
        match outcome:
            case Done(outbox=outbox):
                self._data.remove(row)
                if outbox:
                    self.enqueue(outbox)
            case Discarded():
                self._data.remove(row)
            case Retried(delay_seconds=delay, error=error):
                self._data.fail(row, error)
                self._data.later(row, delay)
            case DeadLettered(reason=reason, error=error, traceback=traceback):
                self._data.fail(row, error)
                self._data.bury(row, reason, traceback)
            case Released(delay_seconds=delay, note=note):
                row.last_error = error_text(note) if note else row.last_error
                if delay > 0.0:
                    self._data.later(row, delay)
                else:
                    self._data.place(row, ItemState.READY)
            case _:
                assert_never(outcome)
        return True

    def _blame(self, claimant: str, blame: Blame, crash_limit: int) -> Blamed | None:
        row = self._data.items.get(blame.item)
        if row is None or row.state is not ItemState.CLAIMED or row.claimed_by != claimant:
            return None
        self._data.fail(row, blame.error)
        row.crash_attempts += blame.crashed
        dead: DeadReason | None = None
        if blame.crashed and row.crash_attempts >= crash_limit:
            dead = DeadReason.CRASH
        elif not blame.crashed and row.attempts >= blame.max_attempts:
            dead = DeadReason.ATTEMPTS
        if dead is not None:
            self._data.bury(row, dead)
        elif blame.crashed:
            self._data.place(row, ItemState.READY)
        else:
            self._data.later(row, blame.delay_seconds)
        return Blamed(row.id, row.queue, row.site, row.attempts, row.crash_attempts, dead)


def forget(name: str) -> None:
    """Drop what `memory://name` holds."""
    _by_name.pop(name, None)

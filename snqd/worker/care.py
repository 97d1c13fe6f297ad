"""Care of the store, done beside the work: deaths repaired, expired leases reclaimed, due items made ready.

Every worker repairs its slot's predecessor before it claims anything, and looks for dead slots when the bell rings.
The rest is done by the worker that has the watch (see `bell.py`), so that its cost does not grow with the number of
workers.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from snqd.items import QueueName, SiteName
from snqd.stores.outcomes import DeadReason
from snqd.stores.records import ItemFilter
from snqd.stores.repairs import Blame, Repaired
from snqd.telemetry.board import ENTRIES, Phase, Word
from snqd.telemetry.events import (
    ItemCrashed,
    ItemDeadLettered,
    ItemFailed,
    ItemsReclaimed,
    ListenUnavailable,
    NoHandler,
)
from snqd.telemetry.exits import Killed
from snqd.telemetry.ledger import Count
from snqd.worker.closing import Closing
from snqd.worker.housekeeping import Housekeeping
from snqd.worker.identity import claimant_of_this_process, is_dead, parse
from snqd.worker.schedules import Scheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.items import ItemId
    from snqd.stores.repairs import Blamed, GivenBack
    from snqd.telemetry.board import Running, SlotView
    from snqd.telemetry.ledger import LedgerWriter
    from snqd.telemetry.no_book import NoBook
    from snqd.worker.parts import Parts

_NO_HANDLER_SECONDS = 60.0
_NEVER = float("inf")
_LOCK_SECONDS = 5.0
"""How long a worker waits for who repairs its slot; then it does so itself, and the ledger may be a little wrong."""
_REPAIR_ROUNDS = 5


class Care:
    """Used by the store's thread only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._sweep_seconds = parts.config.store.sweep_seconds
        self._sweep_at = 0.0
        self._promote_at = 0.0
        self._unhandled_at = 0.0
        self._schedules = Scheduler(parts)
        self._housekeeping = Housekeeping(parts)
        self.has_watch = False
        self._told_problem: str | None = None
        self.wake_fds: list[int] = []

    def begin(self) -> None:
        """Give back what this slot's last worker held, then take its place on the board."""
        parts = self._parts
        view = parts.view
        repair(parts, view)
        parts.book.reopen()  # who repaired the slot wrote there too
        parts.book.serve(tuple(parts.handlers), parts.known_queues)
        kept = {
            word: view.get(word) for word in (Word.BEAT_NS, Word.FAILED, Word.DEAD_LETTERED)
        }  # counted by the repair
        view.clear()
        for word, value in kept.items():
            view.set(word, value)
        view.set(Word.PHASE, Phase.IDLE)
        self._store.claimant = view.claimant = claimant_of_this_process(self._parts.worker)
        self._take_watch()

    def end(self) -> None:
        """Nothing is held any more: there will be nothing to repair and nobody to blame."""
        self._housekeeping.end()
        self._parts.view.claimant = ""
        for entry in range(ENTRIES):
            self._parts.view.end(entry)

    def lost(self) -> None:
        """The store's connection is gone; the watch is opened again when it is back."""
        if self.wake_fds or self.has_watch:
            self.wake_fds = []
            self.has_watch = False
            self._store.close_wakeups()
        self._schedules.end()
        self._housekeeping.end()
        self._sweep_at = 0.0

    @property
    def next_at(self) -> float:
        """When something is due, by the monotonic clock."""
        return min(self._sweep_at, self._promote_at, self._schedules.next_at, self._housekeeping.next_at)

    def is_due(self, now: float) -> bool:
        return now >= self.next_at

    def do(self, now: float) -> bool:
        """Do what is due; whether items became ready by it."""
        found = False
        if now >= self._sweep_at:
            found = self._sweep(now)
        if now >= self._promote_at:
            found = self._promote() or found
        if now >= self._schedules.next_at:
            found = self._run_schedules() or found
        if now >= self._housekeeping.next_at:
            self._housekeeping.do()
        return found

    def was_woken(self) -> None:
        """Something was enqueued: the next due time may have changed. Looked at after the claim, which is urgent."""
        self._promote_at = min(self._promote_at, time.monotonic())

    def expect(self, seconds: float) -> None:
        """An item of ours becomes due in `seconds`."""
        due_at = time.monotonic() + seconds
        if self.has_watch:
            self._promote_at = min(self._promote_at, due_at)
        else:
            self._parts.bell.expect(due_at)

    def was_told(self) -> None:
        """Another worker expects an item to become due."""
        self._parts.bell.hear_expected()
        self._promote_at = min(self._promote_at, time.monotonic())  # ask the store: only it knows all of them

    def repair_deaths(self) -> bool:
        """Give back what the dead workers of this daemon held; whether there were any."""
        dead = [view for view in self._parts.board.used() if view.get(Word.UNREPAIRED)]
        repaired = [repair(self._parts, view) for view in dead if view.number != self._parts.view.number]
        return any(repaired)

    def _take_watch(self) -> None:
        self.has_watch = self._parts.bell.take_watch()
        if self.has_watch:
            self._parts.bell.mark_watch()
            self._promote_at = time.monotonic()
            self._schedules.begin()
            self._housekeeping.begin()
        else:
            self._promote_at = _NEVER
        if self.has_watch or (self._store.wakes_all and not self.wake_fds):
            self._open_wakeups()

    def _open_wakeups(self) -> None:
        self.wake_fds = self._store.open_wakeups()
        problem = self._store.wakeup_problem
        if problem and problem != self._told_problem:
            seconds = self._parts.config.store.poll_interval_seconds
            self._parts.emit(ListenUnavailable(worker=self._parts.worker, reason=problem, poll_seconds=seconds))
        self._told_problem = problem

    def _sweep(self, now: float) -> bool:
        self._sweep_at = now + self._sweep_seconds * random.uniform(0.75, 1.25)
        found = self.repair_deaths()
        if not self.has_watch:
            self._take_watch()
        if self.has_watch:
            self._parts.bell.mark_watch()
            self._schedules.look()
        elif self._parts.bell.watch_age() < 2 * self._sweep_seconds + 1:
            return found
        else:  # who has the watch does not move
            moved = self._store.promote().items + self._store.keep_pauses().back
            found = moved > 0 or found
            self._schedules.begin()
            found = self._run_schedules() or found
            self._schedules.end()
        counts: dict[str, int] = {}
        for gone in self._store.reclaim():
            found = True
            counts[gone.claimant] = counts.get(gone.claimant, 0) + gone.items
            self._parts.book.count(gone.queue, gone.site, {Count.RECLAIMED: gone.items})
        for claimant, items in counts.items():
            self._tell_reclaimed(items, claimant, "its lease ran out")
        if now >= self._unhandled_at:
            self._unhandled_at = now + _NO_HANDLER_SECONDS
            for queue in self._store.unhandled_queues(self._parts.known_queues):
                self._parts.emit(NoHandler(worker=self._parts.worker, queue=queue))
        return self._release_dead_claimants() or found

    def _release_dead_claimants(self) -> bool:
        """Claims of processes of this machine that are gone and that no living supervisor will mourn."""
        on_board = {view.claimant for view in self._parts.board.used()}
        found = False
        for claimant in self._store.claimants():
            if claimant not in on_board and is_dead(claimant):
                found = self.give_back(claimant, "its process is gone") or found
        return found

    def give_back(self, claimant: str, reason: str) -> bool:
        """Make claimable what somebody holds who will not end it, without using an attempt; whether there was any."""
        repaired = self._store.repair(claimant, (), crash_limit=self._parts.config.daemon.crash_limit)
        for queue, site, items in repaired.released:
            counts = {Count.RECLAIMED: items}
            if self._is_of_this_daemon(claimant):  # claimed by its last statement, which nobody counted
                counts[Count.CLAIMED] = items
            self._parts.book.count(queue, site, counts)
        self._tell_reclaimed(sum(each.items for each in repaired.released), claimant, reason)
        return bool(repaired.ids)

    def _is_of_this_daemon(self, claimant: str) -> bool:
        """Whether the claimant was a worker of this daemon since its boot."""
        theirs, ours = parse(claimant), parse(self._store.claimant)
        if theirs is None or ours is None:
            return False
        daemon = self._parts.config.daemon.name.replace("/", "-")
        return (
            (theirs.host, theirs.scope) == (ours.host, ours.scope)
            and theirs.worker.rpartition(".")[0] == daemon
            and theirs.start >= self._parts.board.supervisor_start
        )

    def _tell_reclaimed(self, items: int, claimant: str, reason: str) -> None:
        if items:
            self._parts.emit(ItemsReclaimed(worker=self._parts.worker, count=items, claimant=claimant, reason=reason))

    def _run_schedules(self) -> bool:
        """Whether there is something to claim, for this worker or another one."""
        is_stored = self._schedules.do()
        if is_stored:
            self._parts.bell.ring()
        return is_stored

    def _promote(self) -> bool:
        promoted = self._store.promote()
        due = promoted.next_due_seconds
        self._promote_at = _NEVER if due is None else time.monotonic() + max(due, 0.001)
        # Other hosts may schedule an item that is due earlier than any we know of.
        self._promote_at = min(self._promote_at, time.monotonic() + self._parts.config.store.poll_interval_seconds)
        self._parts.bell.due_at = self._promote_at
        return self._keep_pauses() or promoted.items > 0

    def _keep_pauses(self) -> bool:
        """Whether there may be something to claim: what came back, or what lay behind items that were set aside.

        When there are more to be moved, care is due again at once.
        """
        kept = self._store.keep_pauses()
        if kept.has_more:
            self._promote_at = time.monotonic()
        return kept.back > 0 or kept.aside > 0


def repair_all(parts: Parts) -> None:
    """Give back what every dead worker of the daemon held (the janitor's whole work)."""
    for view in parts.board.used():
        repair(parts, view)


def repair(parts: Parts, view: SlotView) -> bool:
    """Give back what a slot's dead worker held, blaming the items that were running; whether there was anything.

    Safe to be done by several at once: the store touches only items that are still in the dead one's name, and the
    slot's ledger has one writer at a time. A worker waits for who repairs its own slot; the others go on.
    """
    if not view.get(Word.UNREPAIRED):
        return False
    is_own = view.number == parts.view.number
    with ExitStack() as stack:
        book = parts.book if is_own else parts.open_book(view.number)
        if not is_own:
            stack.callback(book.close)
        has_lock = stack.enter_context(parts.ledger.lock(view.number, seconds=_LOCK_SECONDS if is_own else 0.0))
        if not has_lock and not is_own:
            return False
        return _repair(parts, view, book)


def _repair(parts: Parts, view: SlotView, book: LedgerWriter | NoBook) -> bool:
    claimant = view.claimant
    running = view.running()
    blames = _blames(parts, view, running)
    if not view.get(Word.UNREPAIRED):
        return False  # another was faster, and what we read may be half its replacement's own
    if claimant and is_dead(claimant):
        closing = Closing(book, parts.handlers)
        closing.begin(lambda item: _holds(parts, claimant, item))
        repaired = _repair_in_store(parts, claimant, blames)
        closing.finish(repaired, running)
        of_item = {blame.item: blame for blame in blames}
        for blamed in repaired.blamed:
            _tell_blamed(parts, blamed, of_item[blamed.item])
        count = sum(each.items for each in repaired.released)
        if count:
            parts.emit(ItemsReclaimed(worker=parts.worker, count=count, claimant=claimant, reason=view.exit_reason))
    view.set(Word.UNREPAIRED, 0)
    return bool(claimant)


def _holds(parts: Parts, claimant: str, item: int) -> bool:
    if not parts.store.shows_items:
        return False  # what a dead worker held is no longer its own: a broker gives it out again at once
    return any(record.claimed_by == claimant for record in parts.store.find(ItemFilter(ids=(item,))))


def _repair_in_store(parts: Parts, claimant: str, blames: list[Blame]) -> Repaired:
    """Repair until nothing is left.

    A statement that was on its way when its worker was killed is still carried out by a server. The first repair waits
    for it, since it wants the same rows, but does not see what it has claimed.
    """
    blamed: list[Blamed] = []
    released: list[GivenBack] = []
    ids: frozenset[ItemId] = frozenset()
    for _ in range(_REPAIR_ROUNDS):
        repaired = parts.store.repair(claimant, blames, crash_limit=parts.config.daemon.crash_limit)
        if not repaired.ids:
            break
        blamed += repaired.blamed
        released += repaired.released
        ids |= repaired.ids
    return Repaired(blamed, released, ids)


def _blames(parts: Parts, view: SlotView, running: Sequence[Running]) -> list[Blame]:
    killed = Killed(view.get(Word.KILLED))
    if killed in (Killed.SHUTDOWN, Killed.STUCK):
        return []
    blames = []
    for each in running:
        tenant, queue = parts.sites.find(SiteName(each.site)), QueueName(each.queue)
        handler = (tenant.handlers if tenant is not None else parts.handlers).get(queue)
        is_crash = killed is Killed.NO
        if is_crash or each.item == view.get(Word.KILLED_ITEM):
            options = handler.options if handler else None
            blames.append(
                Blame(
                    item=each.item,  # type: ignore[arg-type]  # the board knows numbers only
                    error=view.exit_reason,
                    crashed=is_crash,
                    max_attempts=options.max_attempts if options else 1_000_000,
                    delay_seconds=options.backoff.delay(each.attempt, random.random()) if options else 60.0,
                )
            )
    return blames


def _tell_blamed(parts: Parts, blamed: Blamed, blame: Blame) -> None:
    item: dict[str, Any] = {"worker": parts.worker, "item": blamed.item, "queue": blamed.queue, "site": blamed.site}
    if blamed.dead is not None:
        parts.view.add(Word.DEAD_LETTERED, 1)
        reason = DeadReason(blamed.dead).value
        parts.emit(ItemDeadLettered(**item, attempt=blamed.attempts, reason=reason, error=blame.error))
    elif blame.crashed:
        parts.emit(ItemCrashed(**item, crash_attempts=blamed.crash_attempts, error=blame.error))
    else:
        parts.view.add(Word.FAILED, 1)
        parts.emit(
            ItemFailed(
                **item,
                attempt=blamed.attempts,
                max_attempts=blame.max_attempts,
                error=blame.error,
                retry_seconds=blame.delay_seconds,
            )
        )

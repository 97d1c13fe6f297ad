"""The store's thread: it alone talks to the store, while the main thread runs handlers.

Why a thread: leases are renewed, deaths repaired and new items noticed while a handler blocks the main thread; and
every store is written once, as plain blocking code.

A turn of its loop does the first of these that is due: requests of the main thread, care (see `care.py`), renewal
(also of the duty, see `duty.py`, without which nothing is claimed), an *exchange* (outcomes reported, items claimed,
one transaction), sleep. It exchanges when the main thread has nothing left to run, when half of what may be held is
finished, or when an outcome has waited `REPORT_SECONDS`: many acks share a commit, and a crash repeats little. When the
store is lost, outcomes are kept, the connection is tried again with jittered back-off, and the exchange is repeated; an
ack whose commit was lost with the connection then finds nothing, which is not news.

What the main thread may touch: `report`, `nudge`, `submit`, `stop_claiming`, `finish`. Everything else belongs here.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading
import time
from collections import deque
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

from snqd.errors import SnqdError, StoreUnavailable
from snqd.items import CANARY, lines_of
from snqd.stores.outcomes import Exchanged, Released, Retried
from snqd.telemetry.board import Word
from snqd.telemetry.events import ItemLeaseLost, StoreBack, StoreLost
from snqd.worker.accounts import Reports, Settled
from snqd.worker.doubts import Doubts, acked_among
from snqd.worker.patience import LOOK_SECONDS, Patience
from snqd.worker.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from snqd.items import Item, Line, QueueName
    from snqd.stores.base import Store
    from snqd.stores.outcomes import Lane, Outcome
    from snqd.worker.accounts import Report
    from snqd.worker.care import Care
    from snqd.worker.claims import Claims
    from snqd.worker.duty import WorkerDuty
    from snqd.worker.lanes import WorkLane
    from snqd.worker.parts import Parts
    from snqd.worker.requests import Result

REPORT_SECONDS = 0.01
"""Longest time that an outcome waits for others to share its commit."""
_REPORT_NS = int(REPORT_SECONDS * 1e9)
_CARE_PATIENCE_SECONDS = 0.05
"""Care that is due waits this long for a claim in its way; a pick-up is urgent, care is not."""
_LINGERS = (1, 4)
"""Looks after an empty claim, in `linger_seconds`: the second one is for commits that take unusually long."""
_OUTAGE_LIMIT_SECONDS = 5.0
_OUTAGE_EVENT_SECONDS = 30.0

_HAVE_CONSEQUENCES = {Retried, Released}
_popleft: Callable[[deque[Report]], Report] = deque.popleft


class StoreThread(threading.Thread):
    """Start it after the fork. `on_items`, `take_back` and the others are called in this thread."""

    def __init__(
        self,
        parts: Parts,
        care: Care,
        duty: WorkerDuty,
        lanes: tuple[WorkLane, ...],
        *,
        on_items: Callable[[list[Item]], None],
        take_back: Callable[[], list[Item]],
        on_orphaned: Callable[[], None],
        on_failed: Callable[[BaseException], None],
        on_errand_done: Callable[[], None],
    ) -> None:
        super().__init__(name="store", daemon=True)
        self._parts = parts
        self._care = care
        self._duty = duty
        self._store: Store = parts.store
        self._accounts: Claims = parts.accounts
        self._lanes = lanes
        self._on_items = on_items
        self._take_back = take_back
        self._patience = Patience(lanes)
        self._is_held_up = False
        self._on_orphaned = on_orphaned
        self._on_failed = on_failed
        self._on_errand_done = on_errand_done
        self._lane_of = {queue: lane for lane in lanes for queue in lane.queues}
        self._config = parts.config.store
        self._outcomes: deque[Report] = deque()
        self._requests = Requests()
        self._held = self._accounts.held
        self._doubts = Doubts(self._config.lease_seconds, time.monotonic())
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_sleeping = False
        self._is_claiming = False
        self._is_finishing = self._ends_duty = False
        self._is_lost = False
        self._is_over = False
        self._is_orphaned = False
        self._look_at = 0.0
        self._lingers = 0
        self._empty: set[QueueName] = set()
        """Where the last look found nothing, not even what a rate holds back."""
        self._renew_at = time.monotonic() + self._config.lease_seconds / 3
        self._oldest_outcome_ns = 0
        self._enough_outcomes = 1
        self._report_by = float("inf")
        self.is_hungry = True
        """Set by the main thread while it waits for items."""
        self.revoked: set[tuple[int, int]] = set()
        """Claims that were lost, by item and token: they are not started."""

    # ---- called by the main thread

    def report(self, item: Item, outcome: Outcome | Settled, started_ns: int = 0, ended_ns: int = 0) -> None:
        """Take an outcome, and when the handler was called and returned. Returns at once; see `nudge`."""
        if not self._outcomes:
            self._oldest_outcome_ns = time.monotonic_ns()
        self._outcomes.append((item, outcome, started_ns, ended_ns))

    def doubt(self, item: Item) -> None:
        """The handler's own transaction may have acked the item: the answer to its commit was lost. Then report."""
        self._doubts.doubt(item)

    def is_report_due(self, now_ns: int) -> bool:
        """Whether enough outcomes wait, or long enough, to be worth a nudge."""
        count = len(self._outcomes)
        return count > 0 and (count >= self._enough_outcomes or now_ns - self._oldest_outcome_ns >= _REPORT_NS)

    def nudge(self) -> None:
        """Make the thread look at what it has been given."""
        if self._is_sleeping:
            self._is_sleeping = False
            with contextlib.suppress(BlockingIOError):  # it is full, so the thread will wake
                os.write(self._wake_write, b"!")

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Run `call` in this thread, between two exchanges."""
        future = self._requests.put(call)
        if self._is_over:
            self._requests.fail(SnqdError("the worker is leaving"))
        self.nudge()
        return future

    def stop_claiming(self) -> Future[None]:
        """No claim begins after the result is there; what was claimed before has been given to `on_items`."""
        self._is_claiming = False
        return self.submit(lambda: None)

    def finish(self, until: float, *, ends_duty: bool) -> None:
        """Report what is left, if need be until `until` (monotonic), then end the thread.

        `ends_duty`: no successor comes in this slot, so another daemon may serve what only one worker may.
        """
        self._is_claiming = False
        self._ends_duty = ends_duty
        self._report_by = until
        self._is_finishing = True
        self.nudge()

    # ---- the thread

    def run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # the worker must learn of it: without its store it is useless
            self._on_failed(error)
        finally:
            self._is_over = True
            self._requests.fail(SnqdError("the worker is leaving"))
            self._store.close()

    def _loop(self) -> None:
        is_connected = has_begun = False
        while True:
            try:
                if not is_connected:
                    self._store.connect()
                if not has_begun:
                    self._care.begin()
                    has_begun = self._is_claiming = True
                    self._parts.on_ready()
                is_connected = True
                if self._turn():
                    return
            except StoreUnavailable as error:
                if self._outage(error):
                    return
                is_connected = True

    def _turn(self) -> bool:
        """Do the first thing that is due; True when the thread has finished."""
        self._requests.serve()
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew(now)
        if now >= self._duty.next_at:
            self._duty.look(now, may_begin=self._is_claiming)
        if self._care.is_due(now - _CARE_PATIENCE_SECONDS):
            self._do_care(now)
        self._is_held_up = self._patience.is_over(now, is_resting=self.is_hungry)
        if self._is_held_up:
            self._give_back(now)
        lanes = self._wishes()
        if self._must_exchange(lanes, now):
            self._exchange(lanes)
        elif self._is_finishing and not self._outcomes:
            if not self._held:
                self._care.end()
                if self._ends_duty:
                    self._duty.leave()
                return True
            for item in list(self._held.values()):  # a thread that could not be stopped still runs it, not for long
                self.report(item, Released(item))
        elif self._care.is_due(now):
            self._do_care(now)
        elif self._parts.errand is not None and self._is_idle():
            # What is claimed from here on would be given back, perhaps when all others have left, too.
            self._is_claiming = False
            self._parts = replace(self._parts, errand=None)
            self._on_errand_done()
        else:
            self._sleep(lanes, now)
        return False

    def _give_back(self, now: float) -> None:
        """What waits behind a handler that takes long: another worker can start it sooner, and should look for more."""
        items = self._take_back()
        if items:
            for item in items:
                self._lane_of[item.queue].claimed -= 1
                self.report(item, Released(item))
            self._exchange([])
        if now >= self._look_at:
            self._look_at = now + self._config.poll_interval_seconds
            self._parts.bell.ring()

    def _is_idle(self) -> bool:
        """Nothing is held, and the last look was for all that is wished for, and found nothing."""
        if self._held or self._outcomes or self._is_busy() or self._is_held_up:
            return False
        # Wished for now: what was held a moment ago may have kept a lane from a wish.
        return all(self._empty.issuperset(lane.queues) for lane in self._wishes())

    def _do_care(self, now: float) -> None:
        if self._care.do(now):
            self._look_at = 0.0

    def _wishes(self) -> list[Lane]:
        if not self._is_claiming or self._is_held_up or not self._duty.is_ours:
            return []
        limit = self._config.batch_limit
        lanes = [wish for lane in self._lanes if (wish := lane.wish(limit)) is not None]
        errand = self._parts.errand
        if errand is not None:
            # What has ended and is not reported yet is counted twice until it is. What is given back counts no more.
            taken = self._parts.view.handlings + len(self._held)
            return errand.limited(lanes, taken, time.monotonic())
        return lanes

    def _must_exchange(self, lanes: list[Lane], now: float) -> bool:
        if self._outcomes and (lanes or not self._is_busy() or self.is_report_due(int(now * 1e9))):
            return True
        return bool(lanes) and now >= self._look_at

    def _is_busy(self) -> bool:
        """Whether the main thread has items to run: their outcomes can share a commit with those that wait."""
        return any(lane.claimed != lane.finished for lane in self._lanes)

    def _exchange(self, lanes: list[Lane]) -> None:
        rows = list(map(_popleft, repeat(self._outcomes, len(self._outcomes))))
        self._store.limits = self._parts.sites.limits()
        if rows:
            try:
                exchanged = self._report_and_claim(Reports(rows), lanes)
            except StoreUnavailable:
                self._outcomes.extendleft(reversed(rows))
                raise
        else:
            exchanged = self._store.exchange((), lanes)
        if exchanged.claimed:
            self._take(exchanged.claimed, exchanged.lines or lines_of(exchanged.claimed))
        self._empty.clear()
        if lanes:
            found = len(exchanged.claimed) + exchanged.aside
            self._plan_next_look(lanes, found)
            if not found and exchanged.again_seconds is None:
                self._empty.update(queue for lane in lanes for queue in lane.queues)
            if exchanged.again_seconds is not None:
                self._look_at = min(self._look_at, time.monotonic() + exchanged.again_seconds)

    def _report_and_claim(self, reports: Reports, lanes: list[Lane]) -> Exchanged:
        if doubted := self._doubts.to_ask(reports.items):
            self._doubts.asked(doubted, acked_among(doubted, self._store))
        told = reports.told
        batch = self._accounts.stage(reports, with_repeats=self._is_finishing)
        try:
            exchanged = self._store.exchange(told, lanes) if told or lanes else Exchanged([], [])
        except StoreUnavailable:
            self._doubts.unanswered(reports.items)
            raise
        lost = exchanged.lost
        changed = self._doubts.changed(lost, time.monotonic())
        self._accounts.post(batch, reports, changed)
        self._tell_lost([item for item in lost if changed.get(item.id) is Settled.LOST])
        self._doubts.answered(reports.items)
        if reports.kinds & _HAVE_CONSEQUENCES:
            self._follow_up(told)
        return exchanged

    def _follow_up(self, told: Sequence[Outcome]) -> None:
        """Of outcomes that are committed: when an item becomes due, and that there is something to claim."""
        is_given_back = False
        for outcome in told:
            if type(outcome) is Retried:
                self._care.expect(outcome.delay_seconds)
            elif type(outcome) is Released and not outcome.delay_seconds:
                is_given_back = True
        if is_given_back:
            self._parts.bell.ring()

    def _take(self, claimed: list[Item], lines: Mapping[Line, int]) -> None:
        self._accounts.claimed(claimed, lines)
        lanes = set()
        for (_priority, queue, _site, _codec), count in lines.items():
            lane = self._lane_of[queue]
            lane.claimed += count
            lanes.add(lane)
        self._parts.view.add(Word.CLAIMED, sum(count for line, count in lines.items() if line[3] != CANARY))
        for lane in lanes:
            lane.pace.claimed()
        self._enough_outcomes = max(1, max(lane.pace.capacity for lane in self._lanes) // 2)
        self._on_items(claimed)

    def _plan_next_look(self, lanes: list[Lane], claimed: int) -> None:
        """A full claim: there may be more, for us and for others. An empty one: linger, then poll.

        What the claim met and set aside counts here: there may be others behind it.
        """
        now = time.monotonic()
        if claimed >= min(lane.limit for lane in lanes):
            self._look_at = 0.0
            self._lingers = 0
            self._parts.bell.ring()
        elif claimed or self._lingers < len(_LINGERS):
            # An enqueue whose notification was debounced, or that was committing while we looked, is seen then.
            self._lingers = 0 if claimed else self._lingers
            self._look_at = now + self._store.linger_seconds * _LINGERS[self._lingers]
            self._lingers += 0 if claimed else 1
        else:
            self._look_at = now + self._config.poll_interval_seconds * random.uniform(0.75, 1.25)

    def _renew(self, now: float) -> None:
        """Extend the leases of what is held. A claim that was lost stays held until its end is reported.

        Handlers' own transactions ack items, and find out themselves that a claim was lost; what was sent to a store
        that did not answer may be gone too. Neither is news.
        """
        self._renew_at = now + self._config.lease_seconds / 3
        held = [item for item in self._held.values() if (item.id, item.token) not in self.revoked]
        handlers = self._parts.handlers
        lost = [
            item
            for item in (self._store.renew(held) if held else ())
            if not self._doubts.is_unanswered(item) and not handlers[item.queue].options.transactional
        ]
        self._doubts.renewed(now)
        self._tell_lost(lost)
        self.revoked.update((item.id, item.token) for item in lost)

    def _tell_lost(self, lost: list[Item]) -> None:
        for item in lost:
            if not self._doubts.is_unanswered(item) and (item.id, item.token) not in self.revoked:
                self._parts.emit(
                    ItemLeaseLost(worker=self._parts.worker, item=item.id, queue=item.queue, site=item.site)
                )

    # ---- sleep, outage

    def _sleep(self, lanes: list[Lane], now: float) -> None:
        until = min(self._care.next_at, self._renew_at, self._duty.next_at)
        if lanes:
            until = min(until, self._look_at)
        if self._outcomes:
            until = min(until, self._oldest_outcome_ns / 1e9 + REPORT_SECONDS)
        if len(self._held) > 1 and not self.is_hungry and not self._is_held_up:
            until = min(until, now + LOOK_SECONDS)  # the main thread says nothing while a handler keeps it
        ready = self._wait(max(0.0, until - now), hear_bell=bool(lanes))
        if any(descriptor in ready for descriptor in self._care.wake_fds):
            self._care.was_woken()
            if self._store.read_wakeups():
                self._look(lanes)
        if self._parts.bell.watch_fd in ready:
            self._care.was_told()
        if self._parts.bell.fd in ready and self._parts.bell.silence():
            self._care.repair_deaths()
            self._look(lanes)

    def _look(self, lanes: list[Lane]) -> None:
        if lanes:
            self._look_at = 0.0
            self._lingers = 0
        else:
            self._parts.bell.ring()  # too busy: somebody else should look

    def _wait(self, seconds: float, *, hear_bell: bool) -> set[int]:
        """Sleep until something happens; the descriptors that are ready."""
        self._is_sleeping = True
        if self._requests or (not self._is_lost and (self._is_finishing or (self._outcomes and not self._is_busy()))):
            self._is_sleeping = False  # it came between the last look and now
            return set()
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if not self._is_orphaned:
            poll.register(self._parts.lifeline_fd, select.POLLIN)
        if hear_bell:
            poll.register(self._parts.bell.fd, select.POLLIN)
        if self._care.has_watch:
            poll.register(self._parts.bell.watch_fd, select.POLLIN)
        for descriptor in self._care.wake_fds:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _event in poll.poll(seconds * 1000)}
        self._is_sleeping = False
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if self._parts.lifeline_fd in ready:
            self._is_orphaned = True
            self._on_orphaned()
        return ready

    def _outage(self, error: StoreUnavailable) -> bool:
        """Wait until the store answers again; True when the worker leaves without it."""
        began = time.monotonic()
        told_at = float("-inf")
        tries = 0
        self._is_lost = True
        self._care.lost()
        while not self._has_given_up():
            delay = random.uniform(0.05, min(_OUTAGE_LIMIT_SECONDS, 0.2 * 2**tries))
            if time.monotonic() - told_at >= _OUTAGE_EVENT_SECONDS:
                told_at = time.monotonic()
                self._parts.emit(StoreLost(worker=self._parts.worker, error=str(error), retry_seconds=delay))
            self._wait_out(delay, error)
            tries += 1
            try:
                self._store.reconnect(list(self._held.values()))
            except StoreUnavailable as again:
                error = again
                continue
            self._is_lost = False
            self._look_at = 0.0
            self._parts.emit(StoreBack(worker=self._parts.worker, after_seconds=time.monotonic() - began))
            return False
        return True

    def _has_given_up(self) -> bool:
        """The worker leaves and has nothing to report, or no time left. What is not reported is handled again."""
        return self._is_finishing and (not self._held or time.monotonic() >= self._report_by)

    def _wait_out(self, seconds: float, error: StoreUnavailable) -> None:
        """Sleep for the whole time: nudges do not shorten a back-off."""
        until = time.monotonic() + seconds
        while not self._has_given_up() and (left := until - time.monotonic()) > 0:
            self._requests.fail(error)
            self._wait(left, hear_bell=False)

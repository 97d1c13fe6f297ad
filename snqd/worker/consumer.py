"""The consumer: takes claimed items and runs their handlers, on the worker's main thread.

Items come from the store's thread into `_inbox`; outcomes go back through `StoreThread.report`. Plain handlers run
*inline*, one after another, without a task, a future or a lock per item: this path decides the daemon's speed.
Coroutines and plain handlers with concurrency go to the `ConcurrentRunner`.

asyncio gets a turn at least every `SLICE_SECONDS`, the length of one inline item aside.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.items import users
from snqd.stores.outcomes import Released
from snqd.telemetry.board import Phase, Word
from snqd.telemetry.events import ItemsReleased
from snqd.worker.lanes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.items import Item, QueueName
    from snqd.worker.concurrent import ConcurrentRunner
    from snqd.worker.execution import Execution
    from snqd.worker.lanes import WorkLane
    from snqd.worker.parts import Parts
    from snqd.worker.store_thread import StoreThread

SLICE_SECONDS = 0.02
_SLICE_NS = int(SLICE_SECONDS * 1e9)
_SLOW_NS = 50_000_000


class Consumer:
    """One per worker. `deliver` and `take_back` are called by the store's thread, everything else by the main one."""

    def __init__(
        self,
        parts: Parts,
        lanes: Mapping[QueueName, WorkLane],
        store: StoreThread,
        execution: Execution,
        concurrent: ConcurrentRunner,
        *,
        between_slices: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._lanes = lanes
        self._store = store
        self._execution = execution
        self._concurrent = concurrent
        self._between_slices = between_slices
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Item] = deque()
        self._taken_back = 0
        self._told_back = 0
        self._is_stopping = False

    def deliver(self, items: list[Item]) -> None:
        """Take claimed items (called by the store's thread)."""
        self._inbox.extend(items)
        if self._store.is_hungry:
            self._loop.call_soon_threadsafe(self._wake.set)

    def take_back(self) -> list[Item]:
        """Take away what is not started (called by the store's thread while a handler keeps the main one)."""
        items = self._unstarted()
        self._taken_back += users(items)
        return items

    async def run(self) -> None:
        """Handle items until `stop` is called."""
        while not self._is_stopping:
            if self._inbox:
                self._slice()
                self._between_slices()
                await asyncio.sleep(0)
            else:
                await self._rest()

    def stop(self) -> None:
        """Begin no further item. May be called by a signal handler."""
        self._is_stopping = True
        self._loop.call_soon_threadsafe(self._wake.set)

    async def drain(self, until: float) -> None:
        """Release what was not started, wait for what runs until `until` (monotonic), then cut it short."""
        self._store.is_hungry = True
        with contextlib.suppress(SnqdError):  # its thread has failed: nothing is claimed any more
            await asyncio.wrap_future(self._store.stop_claiming())
        self._release_unstarted()
        await self._concurrent.drain(until)

    async def _rest(self) -> None:
        """Nothing to start: let the store's thread report at once, and wait for items."""
        self._wake.clear()
        self._store.is_hungry = True
        if not self._inbox and not self._is_stopping:
            phase = Phase.HANDLING if self._concurrent.is_running else Phase.IDLE
            self._parts.view.set(Word.PHASE, phase)
            self._store.nudge()
            await self._wake.wait()
        self._store.is_hungry = False
        self._parts.view.set(Word.PHASE, Phase.HANDLING)

    def _slice(self) -> None:
        """Run inline items for one slice; start concurrent ones. A site that was changed is seen from here on."""
        self._parts.sites.refresh()
        inbox = self._inbox
        store = self._store
        run_inline = self._execution.run_inline
        began = last = time.monotonic_ns()
        inline: WorkLane | None = None
        ran = 0
        while inbox and not self._is_stopping:
            try:
                item = inbox.popleft()
            except IndexError:  # just taken back
                break
            lane = self._lanes[item.queue]
            if lane.mode is not Mode.INLINE:
                self._concurrent.start(item, lane)
                continue
            inline = lane
            now = run_inline(item)
            lane.finished += 1
            ran += 1
            if now - last >= _SLOW_NS:
                self._was_slow(lane, (now - last) / 1e9)
            last = now
            if store.is_report_due(now):
                store.nudge()
            if now - began >= _SLICE_NS:
                break
        if inline is not None:
            inline.pace.ran(ran, (last - began) / 1e9)

    def _was_slow(self, lane: WorkLane, seconds: float) -> None:
        """An item was slow: give back what another worker can start sooner than this one."""
        lane.pace.ran_one(seconds)
        surplus = self._unstarted(leave=lane.pace.capacity)
        for item in surplus:
            self._release(item)
        if surplus:
            self._parts.view.add(Word.RELEASED, users(surplus))
        self._count_taken_back()
        self._store.nudge()

    def _unstarted(self, leave: int = 0) -> list[Item]:
        """Remove items from the end of the inbox, which another thread may be emptying too."""
        items: list[Item] = []
        with contextlib.suppress(IndexError):
            while len(self._inbox) > leave:
                items.append(self._inbox.pop())
        return items

    def _count_taken_back(self) -> None:
        """Done here because the board's counters are written by one thread each."""
        count = self._taken_back - self._told_back
        if count:
            self._told_back += count
            self._parts.view.add(Word.RELEASED, count)

    def _release_unstarted(self) -> None:
        unstarted = self._unstarted() + [item for item, _lane in self._concurrent.take_backlog()]
        for item in unstarted:
            self._release(item)
        self._count_taken_back()
        count = users(unstarted)
        if count:
            self._parts.view.add(Word.RELEASED, count)
            self._parts.emit(ItemsReleased(worker=self._parts.worker, count=count, reason="the worker is leaving"))

    def _release(self, item: Item) -> None:
        self._lanes[item.queue].finished += 1
        self._store.report(item, Released(item))

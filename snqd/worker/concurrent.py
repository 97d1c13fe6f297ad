"""Running several items at once: coroutines as tasks, plain handlers in threads.

An item that cannot start yet (its lane is full, or no entry of the board is free) waits in `_backlog`, in the order in
which it was claimed, and is given back when its lane makes no progress (see `patience.py`). A coroutine past its time
limit is cancelled; a thread gets `TimeLimitExceeded` raised at its next bytecode. What neither reaches is killed by the
supervisor, as for inline items.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from snqd.handlers.outcomes import Interrupted, TimeLimitExceeded
from snqd.items import users
from snqd.stores.outcomes import Released
from snqd.telemetry.board import ENTRIES, Phase, Word
from snqd.worker.execution import deadline_ns
from snqd.worker.lanes import Mode
from snqd.worker.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.handlers.base import BoundHandler
    from snqd.handlers.context import Context
    from snqd.items import Item
    from snqd.worker.execution import Execution
    from snqd.worker.lanes import WorkLane
    from snqd.worker.parts import Parts
    from snqd.worker.store_thread import StoreThread

_CUT_SHORT_SECONDS = 0.5
"""After the grace period: time for cancelled handlers to leave; it must end before the supervisor kills."""


class ConcurrentRunner:
    """One per worker; main thread only."""

    def __init__(self, parts: Parts, store: StoreThread, execution: Execution) -> None:
        self._parts = parts
        self._store = store
        self._execution = execution
        self._entries = list(range(ENTRIES - 1, 0, -1))  # entry 0 is the inline one's
        self._running: dict[asyncio.Task[None], WorkLane] = {}
        self._count: dict[int, int] = {}
        self._backlog: dict[int, tuple[WorkLane, deque[Item]]] = {}  # by the lane's id
        self._moved_at: dict[int, float] = {}
        self._look: asyncio.TimerHandle | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._is_draining = False
        self._is_looking = False

    @property
    def is_running(self) -> bool:
        return bool(self._running)

    def start(self, item: Item, lane: WorkLane) -> None:
        """Run the item now if its lane has room, else as soon as it has. No item overtakes one of its lane."""
        if id(lane) not in self._backlog and self._has_room(lane):
            self._launch(item, lane)
        else:
            self._backlog.setdefault(id(lane), (lane, deque()))[1].append(item)
            self._look_later()

    def _has_room(self, lane: WorkLane) -> bool:
        return bool(self._entries) and self._count.get(id(lane), 0) < lane.concurrency

    def take_backlog(self) -> list[tuple[Item, WorkLane]]:
        """The items that were not started; they are the caller's now."""
        taken = [(item, lane) for lane, items in self._backlog.values() for item in items]
        self._backlog.clear()
        return taken

    def _look_later(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._look_at_backlog)

    def _look_at_backlog(self) -> None:
        """Give back what waits for a lane without progress; another worker may have room."""
        self._look = None
        now = time.monotonic()
        for lane, items in list(self._backlog.values()):
            still = now - self._moved_at.get(id(lane), now)
            if still < PATIENCE_SECONDS:
                continue
            del self._backlog[id(lane)]
            lane.pace.ran_one(still)
            lane.finished += len(items)
            self._parts.view.add(Word.RELEASED, users(list(items)))
            for item in items:
                self._store.report(item, Released(item))
            self._store.nudge()
        if self._backlog:
            self._look_later()

    async def drain(self, until: float) -> None:
        """Wait for what runs until `until` (monotonic), then cut it short: those items are released."""
        self._is_draining = True
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, until - time.monotonic()))
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_CUT_SHORT_SECONDS)

    def _launch(self, item: Item, lane: WorkLane) -> None:
        prepared = self._execution.prepare(item)
        if prepared is None:
            lane.finished += 1
            return
        handler, payload, context = prepared
        entry = self._entries.pop()
        seat = _Seat(self, entry)
        context.on_waiting = seat.leave_early
        limit = handler.options.time_limit_seconds
        self._parts.view.begin(entry, item.id, item.queue, item.site, deadline_ns(limit), item.attempts + 1)
        running = self._run(item, lane, handler, payload, context, seat)
        task = asyncio.create_task(running, name=f"item {item.id}")
        self._running[task] = lane
        self._moved_at[id(lane)] = time.monotonic()
        self._count[id(lane)] = self._count.get(id(lane), 0) + 1
        task.add_done_callback(self._ended)

    async def _run(
        self, item: Item, lane: WorkLane, handler: BoundHandler, payload: Any, context: Context, seat: _Seat
    ) -> None:
        started = time.monotonic_ns()
        error: BaseException | None = None
        try:
            if lane.mode is Mode.TASK:
                await self._call_coroutine(handler, payload, context)
            else:
                await self._call_in_thread(item, handler, payload, context)
        except asyncio.CancelledError:
            error = Interrupted() if self._is_draining else asyncio.CancelledError("the handler was cancelled")
        except BaseException as raised:  # whatever a handler raises is its item's fate, not the worker's
            error = raised
        ended = time.monotonic_ns()
        self._execution.note_ack(item, handler, error)
        seat.leave()
        lane.pace.ran(1, (ended - started) / 1e9)
        lane.finished += 1
        self._execution.settle(item, handler, context, error, started, ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        lane = self._running.pop(task)
        self._moved_at[id(lane)] = time.monotonic()
        self._count[id(lane)] -= 1
        if not self._running and self._store.is_hungry:
            self._parts.view.set(Word.PHASE, Phase.IDLE)
        if self._backlog:
            self._start_waiting()
        self._store.nudge()

    def free(self, entry: int) -> None:
        """An entry of the board is not needed any more."""
        self._parts.view.end(entry)
        self._entries.append(entry)

    def look_for_room(self) -> None:
        """Entries became free before their items ended."""
        if self._backlog and not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_soon(self._start_waiting)

    def _start_waiting(self) -> None:
        """Start what there is room for now."""
        self._is_looking = False
        if self._is_draining:
            return
        for lane, items in list(self._backlog.values()):
            while items and self._has_room(lane):
                self._launch(items.popleft(), lane)
            if not items:
                del self._backlog[id(lane)]

    async def _call_coroutine(self, handler: BoundHandler, payload: Any, context: Context) -> None:
        limit = handler.options.time_limit_seconds
        if not limit:
            await handler.call(payload, context)
            return
        timer = asyncio.timeout(limit)
        try:
            async with timer:
                await handler.call(payload, context)
        except TimeoutError:
            if timer.expired():
                raise TimeLimitExceeded from None
            raise  # the handler's own

    async def _call_in_thread(self, item: Item, handler: BoundHandler, payload: Any, context: Context) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(ENTRIES, thread_name_prefix="handler")

        def call() -> None:
            if handler.options.transactional:
                self._execution.run_transaction(item, handler, payload, context)
            else:
                handler.call(payload, context)

        stoppable = _StoppableCall(call)
        loop = asyncio.get_running_loop()
        limit = handler.options.time_limit_seconds
        timer = loop.call_later(limit, stoppable.stop, TimeLimitExceeded) if limit else None
        running = loop.run_in_executor(self._threads, stoppable)
        try:
            # Cut short by shutdown, the thread ends with the process. Nothing is raised in it: in a thread that sleeps
            # such an exception stays pending, and with a tracer CPython 3.11 then stood still, timers included.
            await asyncio.shield(running)
        finally:
            if timer is not None:
                timer.cancel()


class _Seat:
    """An item's entry on the board, until it ends or only waits."""

    __slots__ = ("_entry", "_runner")

    def __init__(self, runner: ConcurrentRunner, entry: int) -> None:
        self._runner = runner
        self._entry = entry

    def leave(self) -> None:
        if self._entry >= 0:
            self._runner.free(self._entry)
            self._entry = -1

    def leave_early(self) -> None:
        self.leave()
        self._runner.look_for_room()


class _StoppableCall:
    """A call in a thread that another thread can stop by raising an exception in it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._ident: int | None = None

    def __call__(self) -> None:
        with self._lock:
            self._ident = threading.get_ident()
        try:
            self._call()
        finally:
            with self._lock:
                self._ident = None

    def stop(self, error: type[BaseException]) -> None:
        """Raise `error` in the call at its next bytecode; nothing happens when it has ended."""
        with self._lock:
            if self._ident is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._ident), ctypes.py_object(error))

"""The worker process: its signals, its loop, and the order in which it leaves.

Leaving, for whatever reason, is always the same: begin no item; stop claiming; release what was not started; wait for
what runs until the deadline, then cut it short; let the store's thread report everything; leave with a code. TERM gives
the grace period, QUIT none, and when the supervisor is gone (end of file on the lifeline) the process has
`_ORPHAN_SECONDS`.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.telemetry.board import Phase, Word
from snqd.telemetry.exits import WorkerExit
from snqd.worker.alarm import Alarm
from snqd.worker.care import Care
from snqd.worker.concurrent import ConcurrentRunner
from snqd.worker.consumer import Consumer
from snqd.worker.duty import WorkerDuty
from snqd.worker.execution import Execution
from snqd.worker.lanes import plan
from snqd.worker.services import ServiceRunner
from snqd.worker.store_thread import StoreThread
from snqd.worker.usage import Usage, rss_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from snqd.telemetry.board import SlotView
    from snqd.worker.parts import Parts

BEAT_SECONDS = 1.0
_ORPHAN_SECONDS = 1.5
_REPORT_GRACE_SECONDS = 3.0
_TIDY_SECONDS = 0.5

log = logging.getLogger("snqd.worker")


def run_worker(parts: Parts) -> WorkerExit:
    """Work until told to stop; the process's exit code. Call in a freshly forked process, on its main thread."""
    parts.view.set(Word.BEAT_NS, time.monotonic_ns())
    limit = parts.memory_limit_bytes
    if limit is not None and (rss := rss_bytes()) > limit:
        # Respawning would loop: every successor is born above the limit too.
        return refuse(parts.view, f"it is born with {rss:,} bytes, above its memory limit of {limit:,}: raise it")
    with asyncio.Runner() as runner:
        code = runner.run(Worker(parts).run())
        # Closing the loop cancels the handlers' tasks and waits for them; one that refuses must not keep the process.
        last = threading.Timer(_TIDY_SECONDS, os._exit, (code,))
        last.daemon = True
        last.start()
    last.cancel()  # from here on the main thread leaves, and nobody else: it may have to write something down first
    return code


def refuse(view: SlotView, reason: str) -> WorkerExit:
    """Say on the board why this worker cannot start."""
    view.exit_reason = reason
    return WorkerExit.BOOT_FAILED


class Worker:
    """One run of `run` per process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._code: WorkerExit | None = None
        self._deadline = float("inf")
        self._has_lapsed = False
        self._alarm = Alarm()
        self._usage = Usage(parts)

    async def run(self) -> WorkerExit:
        parts = self._parts
        lanes = plan(parts.handlers, parts.config.store)
        self._loop = asyncio.get_running_loop()
        care = Care(parts)
        self._duty = duty = WorkerDuty(parts, care, on_duty=lambda: self._start_soon(services))
        store = StoreThread(
            parts,
            care,
            duty,
            tuple({id(lane): lane for lane in lanes.values()}.values()),
            on_items=lambda items: self._consumer.deliver(items),
            take_back=lambda: self._consumer.take_back(),
            on_orphaned=self._orphaned,
            on_failed=self._store_thread_failed,
            on_errand_done=self._errand_done,
        )
        execution = Execution(parts, store, self._alarm)
        concurrent = ConcurrentRunner(parts, store, execution)
        self._consumer = Consumer(parts, lanes, store, execution, concurrent, between_slices=self._look_at_usage)
        services = ServiceRunner(parts, store)
        self._alarm.install()
        self._install_signals()
        if duty.is_ours:
            services.start()
        store.start()
        beat = asyncio.create_task(self._beat(), name="beat")
        await self._consumer.run()
        parts.view.set(Word.PHASE, Phase.DRAINING)
        services.leave()
        if store.is_alive():
            await self._consumer.drain(self._deadline)
        await services.stop()  # handlers may have needed them to the last
        report_by = max(self._deadline, time.monotonic()) + _REPORT_GRACE_SECONDS
        store.finish(report_by, ends_duty=self._code is WorkerExit.SHUTDOWN)
        await asyncio.to_thread(store.join, report_by - time.monotonic() + BEAT_SECONDS)
        beat.cancel()
        parts.view.set(Word.PHASE, Phase.STOPPED)
        return self._code if self._code is not None else WorkerExit.ERROR

    def leave(self, code: WorkerExit, *, within_seconds: float) -> None:
        """Begin to leave; a later call can only shorten the time. Safe in a signal handler."""
        if self._code is None:
            self._code = code
        self._deadline = min(self._deadline, time.monotonic() + within_seconds)
        self._consumer.stop()
        self._alarm.stop_at(self._deadline)

    def _install_signals(self) -> None:
        grace = self._parts.config.daemon.grace_seconds

        def on(number: signal.Signals, act: Callable[[], None]) -> None:
            def handle(_number: int, _frame: FrameType | None) -> None:
                act()

            signal.signal(number, handle)

        on(signal.SIGTERM, lambda: self.leave(WorkerExit.SHUTDOWN, within_seconds=grace))
        on(signal.SIGQUIT, lambda: self.leave(WorkerExit.SHUTDOWN, within_seconds=0.0))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
        if self._parts.stack_file is not None:
            self._parts.stack_file.register()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _look_at_usage(self) -> None:
        self._parts.view.set(Word.BEAT_NS, time.monotonic_ns())
        if not self._has_lapsed and (lapsed := self._duty.lapsed(time.monotonic())):
            self._has_lapsed = True
            self._leave_duty(lapsed)
        if self._code is None and (reason := self._usage.verdict()) is not None:
            self._parts.view.exit_reason = reason
            self.leave(WorkerExit.RESTART, within_seconds=self._parts.config.daemon.grace_seconds)

    def _leave_duty(self, reason: str) -> None:
        """Another worker may begin to serve the group soon: by then this process is gone, even if the store hangs."""
        self._parts.view.exit_reason = reason
        self.leave(WorkerExit.RESTART, within_seconds=0.0)
        last = threading.Timer(self._duty.exit_seconds, os._exit, (self._code,))
        last.daemon = True
        last.start()

    async def _beat(self) -> None:
        """Show that the loop turns. It is the loop that does the work, so a stuck one looks stuck."""
        while True:
            self._look_at_usage()
            await asyncio.sleep(BEAT_SECONDS)

    def _start_soon(self, services: ServiceRunner) -> None:
        """Called in the store's thread, before the first claim."""
        self._loop.call_soon_threadsafe(services.start)

    def _orphaned(self) -> None:
        """The supervisor is gone (called in the store's thread): leave soon, whatever the handlers do."""
        threading.Timer(_ORPHAN_SECONDS, os.kill, (os.getpid(), signal.SIGKILL)).start()
        os.kill(os.getpid(), signal.SIGQUIT)

    def _errand_done(self) -> None:
        """Called in the store's thread."""
        self._loop.call_soon_threadsafe(lambda: self.leave(WorkerExit.SHUTDOWN, within_seconds=_REPORT_GRACE_SECONDS))

    def _store_thread_failed(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._store_failed, error)

    def _store_failed(self, error: BaseException) -> None:
        is_ready = bool(self._parts.view.get(Word.READY))
        self._parts.view.exit_reason = str(error) if isinstance(error, SnqdError) else repr(error)
        if not isinstance(error, SnqdError):
            log.error("the store's thread failed", exc_info=error)
        may_respawn = is_ready or not isinstance(error, SnqdError)
        self.leave(WorkerExit.ERROR if may_respawn else WorkerExit.BOOT_FAILED, within_seconds=0.0)

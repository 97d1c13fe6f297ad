"""The hub: one process that gathers what the daemon's processes say of themselves, judges it, and tells the world.

A turn of it gathers (board, ledger, events, the prober's last answers), folds the facts into its own `Fleet`, from
which everything is rendered (alarms, health, `snqd why`, statsd), and gives what has changed to relay and recorder.
Nothing waits for it, and what it forgets when it dies is read again by the next one: counters are in shared memory,
events wait in the pipe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from snqd.hub.actions import Actions
from snqd.hub.answers import Answers
from snqd.hub.clock import EpochOffset
from snqd.hub.control import Control
from snqd.hub.figures_answer import FiguresAnswer
from snqd.hub.gather import Gatherer
from snqd.hub.keeper import Keeper
from snqd.hub.outlets import Outlets
from snqd.hub.slots import Slots
from snqd.hub.steering import Steering
from snqd.hub.store_hand import StoreHand
from snqd.hub.watching import Watching
from snqd.telemetry.board import Word
from snqd.telemetry.events import HubStarted, TelemetryProblem
from snqd.telemetry.exits import WorkerExit
from snqd.telemetry.facts import EventFact
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, Header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from snqd.hub.keeper import Reply
    from snqd.hub.parts import HubParts
    from snqd.stores.desk import Asking
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AnyFact

SLOT = 0
"""The hub's own place on the board."""
SLOW_SECONDS = 1.0
"""Between two looks at what changes slowly or costs more: memory, alarms, canaries, statsd."""
IDLE_SECONDS = 2.0
"""The same while nothing moves and nobody watches."""
SLOWEST_SECONDS = 5.0
TOGETHER_SECONDS = 0.05
"""What is due so soon is done in the turn that is due now."""
COST_SHARE = 50
"""A look at ten thousand busy sites is dear: the next one waits so many times as long as it took."""
GOODBYE_SECONDS = 0.3
REFRESH_SECONDS = 5.0
"""Every fact is folded again this often, so that those that are not are known to be gone."""


def run_hub(parts: HubParts) -> int:
    """Work until told to leave; the process's exit code. Call in a freshly forked process, on its main thread."""
    with asyncio.Runner() as runner:
        runner.run(_run(parts))
    return WorkerExit.SHUTDOWN


async def _run(parts: HubParts) -> None:
    await Hub(parts).run()


class Hub:
    """Made inside the loop; one run of `run` per process."""

    def __init__(self, parts: HubParts) -> None:
        self._parts = parts
        self._view = parts.board.slot(SLOT)
        self._sender = time.time_ns() // 1000
        self._sequence = 0
        self._is_leaving = False
        self._wanted = asyncio.Event()
        self._clock = EpochOffset()
        self._fleet = Fleet()
        self._gatherer = Gatherer(parts, self._sender)
        self._watching = Watching(parts, self._gatherer, self._tell_problem)
        self._outlets = Outlets(parts, self._header(0.0))
        slots = Slots(parts.daemon, parts.board)
        answers = Answers(parts, slots, self._see, lambda: self._outlets.listen)
        actions = Actions(parts, StoreHand(parts.open_store), slots, self._see, self._gatherer.look_again)
        figures = FiguresAnswer(parts.sites_path, self._see, self._watching.figures)
        self._keeper = Keeper(parts, obey=self._obey, tell_problem=self._tell_problem)
        self._steering = Steering(
            parts, self._keeper, {"restart": actions.handlers["restart"], "stack": answers.handlers["stack"]}
        )
        handlers = answers.handlers | actions.handlers | figures.handlers | self._steering.handlers
        self._control = Control(parts.socket_path, handlers)
        self._daemon_ends = False
        self._events = 0
        self._quick_at = self._slow_at = 0.0
        self._refresh_at = 0.0

    async def run(self) -> None:
        """Until TERM, or until the supervisor is gone."""
        loop = self._loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leave)
        loop.add_signal_handler(signal.SIGQUIT, self._leave)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        loop.add_reader(self._parts.lifeline_fd, self._orphaned)
        loop.add_reader(self._parts.channels.pipe.read_fd, self._take_events)
        await self._outlets.start(self._tell_problem, self._wanted.set)
        await self._start_control()
        self._gatherer.start()
        self._keeper.start()
        self._parts.emit(
            HubStarted(
                daemon=self._parts.daemon,
                pid=os.getpid(),
                listen=self._outlets.listen,
                respawns=self._parts.respawns,
            )
        )
        try:
            while not self._is_leaving:
                await self._rest(self._turn())
            await self._say_goodbye()
        finally:
            await self._control.stop()
            self._watching.stop()
            self._gatherer.end()
            self._keeper.end(daemon_ends=self._daemon_ends)
            await asyncio.to_thread(self._keeper.join, GOODBYE_SECONDS)
            await self._outlets.stop()

    def _obey(self, asking: Asking) -> Future[Reply]:
        """Called in the keeper's thread."""
        return asyncio.run_coroutine_threadsafe(self._steering.obey(asking), self._loop)

    async def _say_goodbye(self) -> None:
        """Tell how it ended: the last facts and events, the latter twice when somebody listens."""
        self._take_events()
        self._turn(is_last=True)
        # Not `asyncio.timeout`: until Python 3.12 a `wait_for` that is over at once takes its cancellation for its own.
        until = time.monotonic() + GOODBYE_SECONDS
        while self._outlets.has_receivers and (left := until - time.monotonic()) > 0:
            await self._rest(min(left, self._outlets.turn()))

    async def _rest(self, seconds: float) -> None:
        """Until the next turn is due, or something happened that wants one."""
        timer = self._loop.call_later(seconds, self._wanted.set)
        try:
            await self._wanted.wait()
        finally:
            timer.cancel()
            self._wanted.clear()

    def _leave(self) -> None:
        self._is_leaving = True
        self._wanted.set()

    def _orphaned(self) -> None:
        """The supervisor is gone."""
        asyncio.get_running_loop().remove_reader(self._parts.lifeline_fd)
        self._leave()

    async def _start_control(self) -> None:
        try:
            await self._control.start()
        except OSError as error:
            self._tell_problem(f"control socket {self._parts.socket_path}", error.strerror or str(error))

    def _turn(self, *, is_last: bool = False) -> float:
        """Do what is due; seconds until the next turn."""
        self._view.set(Word.BEAT_NS, time.monotonic_ns())
        clock, spent = time.monotonic(), time.thread_time()
        is_slow_due = is_last or clock >= self._slow_at - TOGETHER_SECONDS
        is_quick_due = is_slow_due or clock >= self._quick_at
        if is_quick_due:
            self._tell(self._gatherer.quick(self._clock.get()))
        cost = (time.thread_time() - spent) * COST_SHARE
        if is_slow_due:
            self._look_closely(clock)
            self._slow_at = clock + min(max(self._pace(), (time.thread_time() - spent) * COST_SHARE), SLOWEST_SECONDS)
        pause = self._outlets.turn(is_last=is_last)
        if is_quick_due:  # after the turn, in which frames have begun
            self._quick_at = clock + max(self._outlets.frame_pause(clock), cost)
        return max(0.0, min(pause, min(self._slow_at, self._quick_at) - time.monotonic()))

    def _pace(self) -> float:
        """Seconds between two close looks: fewer where something moves or somebody watches."""
        is_quiet = self._gatherer.is_idle and not self._outlets.has_receivers
        return IDLE_SECONDS if is_quiet else SLOW_SECONDS

    def _look_closely(self, clock: float) -> None:
        """What changes slowly, or costs more."""
        now = time.time()
        past, outlets = self._watching.figures, self._outlets
        self._tell(self._gatherer.slow(now, past, outlets.datagrams_sent, outlets.bad_datagrams))
        self._tell(self._watching.turn(self._see(), now))
        self._outlets.export(self._see())
        for datagram in self._outlets.heard(now):
            self._fleet.apply(datagram, source=datagram.header.host, now=clock)
        if clock >= self._refresh_at:
            self._refresh_at = clock + REFRESH_SECONDS
            facts = [*self._gatherer.everything(), *self._watching.alarms()]
            self._fold(facts)
            self._outlets.retain(facts)

    def _tell(self, facts: Sequence[AnyFact]) -> None:
        if facts:
            self._fold(facts)
            self._outlets.update(facts)

    def _fold(self, facts: Sequence[AnyFact]) -> None:
        datagram = Datagram(self._header(time.time()), tuple(facts))
        self._fleet.apply(datagram, source="", now=time.monotonic())

    def _header(self, now: float) -> Header:
        self._sequence += 1
        parts = self._parts
        return Header(
            daemon=parts.daemon,
            host=parts.host,
            boot=parts.boot,
            sender=self._sender,
            sequence=self._sequence,
            sent_at=now,
        )

    def _see(self) -> DaemonView:
        """The daemon as everything that is rendered sees it."""
        return self._fleet.daemons[f"{self._parts.daemon}@{self._parts.host}"]

    def _take_events(self) -> None:
        facts: list[AnyFact] = []
        for piped in self._parts.channels.pipe.read():
            self._events += 1
            self._daemon_ends = self._daemon_ends or piped.name == "DaemonStopping"
            facts.append(
                EventFact(
                    number=self._events,
                    at=piped.at,
                    name=piped.name,
                    level=piped.level,
                    message=piped.message,
                    fields=piped.fields,
                )
            )
        is_wanted = bool(facts)
        facts += self._gatherer.connections.take(self._parts.channels.pipe.take_facts(), time.time())
        self._tell(facts)
        if is_wanted:
            self._wanted.set()

    def _tell_problem(self, what: str, error: str) -> None:
        self._parts.emit(TelemetryProblem(daemon=self._parts.daemon, what=what, error=error))

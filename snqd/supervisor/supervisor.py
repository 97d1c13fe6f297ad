"""The supervisor: one loop that reads signals, reaps, looks at the board, and acts.

It is single-threaded and opens no connection. Each turn of the loop does the same five things in the same order;
nothing in it waits except the one `select` at the top, so a death is answered within milliseconds whatever else is
going on, and an idle daemon turns once a second.

| signal     | what it does                                                                                    |
|------------|-------------------------------------------------------------------------------------------------|
| TERM, INT  | drain: workers finish what they run, within the grace period; a second one stops at once          |
| QUIT       | stop at once: what runs is given back without using an attempt                                   |
| HUP        | read the configuration again and replace the workers one by one (`rollout`)                      |
| TTIN, TTOU | one worker more, one worker less                                                                |
| USR1       | tell what every worker is doing; each writes its Python stacks to the log                       |
| USR2       | reserved: ignored                                                                               |
| CHLD       | reap                                                                                            |
"""

from __future__ import annotations

import gc
import os
import signal
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from snqd.config.values import parse_memory_limit
from snqd.errors import SnqdError
from snqd.supervisor.companion import SLOT as HUB_SLOT
from snqd.supervisor.companion import Companion
from snqd.supervisor.crew import Crew, Plan
from snqd.supervisor.dumps import Dumps
from snqd.supervisor.janitor import run_janitor
from snqd.supervisor.lifeline import Lifeline
from snqd.supervisor.limits import Watch
from snqd.supervisor.memory import MemoryFiles
from snqd.supervisor.respawn import RespawnPolicy
from snqd.supervisor.rollout import Rollout
from snqd.supervisor.signals import SignalPipe
from snqd.supervisor.slots import MAX_WORKERS, Stop, worker_count
from snqd.supervisor.spawning import name_process
from snqd.supervisor.systemd import Notifier
from snqd.telemetry.board import SlotState, Word
from snqd.telemetry.events import (
    DaemonStarted,
    DaemonStopped,
    DaemonStopping,
    ReloadFailed,
    ReloadFinished,
    Reloading,
    WorkerCountChanged,
)
from snqd.telemetry.exits import DaemonExit, Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.config.schema import DaemonConfig
    from snqd.supervisor.companion import RunHub
    from snqd.supervisor.limits import Finding
    from snqd.supervisor.slots import Slot
    from snqd.telemetry.board import Board
    from snqd.telemetry.emitter import Emitter
    from snqd.telemetry.seat import RunWorker

TICK_SECONDS = 1.0
QUIT_SECONDS = 0.5
"""On QUIT: time that a worker has before SIGKILL."""
RELEASE_SECONDS = 1.0
"""A worker that ends its grace period gives items back; it has this much longer before SIGKILL."""
_STARTING_POLL_SECONDS = (0.005, 0.25)


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What `reload` returns: the new configuration, and workers that use it."""

    config: DaemonConfig
    run_worker: RunWorker
    janitor: RunWorker
    hub: RunHub | None = None
    changes: tuple[str, ...] = ()
    """Settings that differ, as `key: old -> new`, without secrets."""
    adopt: Callable[[], None] = _nothing
    """Called when a worker has become ready with it: from now on it is the one. Must not block."""
    drop: Callable[[], None] = _nothing
    """Called in place of that when none could: nothing of it may stay."""


class Stage(Enum):
    WORKING = "working"
    DRAINING = "draining"
    QUITTING = "quitting"


class Supervisor:
    """Owns the workers of one daemon. Make it and call `run` in the process's main thread.

    `reload` reads the configuration again; a `SnqdError` from it leaves everything as it is. `janitor` is run in a
    process of its own at the daemon's end if a dead worker has not been repaired. `on_death` is called when a worker
    died that may have held claims; it must not block. `on_ready` is called once, when the first worker is ready,
    `on_reloaded` whenever a reload has replaced the last worker. `hub` is run in one more child, which is kept alive.
    `private_fds` are closed in every child (the pidfile's lock must not outlive the supervisor in a worker).
    """

    def __init__(
        self,
        *,
        config: DaemonConfig,
        board: Board,
        emitter: Emitter,
        run_worker: RunWorker,
        reload: Callable[[], Reloaded],
        janitor: RunWorker,
        version: str,
        store_shown: str,
        hub: RunHub | None = None,
        on_death: Callable[[], None] = _nothing,
        on_ready: Callable[[], None] = _nothing,
        on_reloaded: Callable[[], None] = _nothing,
        private_fds: Sequence[int] = (),
        notifier: Notifier | None = None,
    ) -> None:
        self._config = config
        self._board = board
        self._emitter = emitter
        self._reload = reload
        self._janitor = janitor
        self._version = version
        self._store_shown = store_shown
        self._on_ready = on_ready
        self._on_reloaded = on_reloaded
        self._private_fds = tuple(private_fds)
        self._notifier = notifier if notifier is not None else Notifier.from_environment()
        self._lifeline = Lifeline()
        self._signals = SignalPipe()
        self._crew = Crew(
            daemon=config.name,
            board=board,
            emitter=emitter,
            lifeline_fd=self._lifeline.read_fd,
            enter_child=self._enter_child,
            on_death=on_death,
        )
        self._companion = Companion(
            daemon=config.name,
            board=board,
            emitter=emitter,
            lifeline_fd=self._lifeline.read_fd,
            enter_child=self._enter_child,
            run=hub,
            stuck_seconds=config.watchdog_seconds,
        )
        self._wanted = worker_count(config.threads)
        self._plan = self._make_plan(config, run_worker)
        self._watch = Watch()
        self._stage = Stage.WORKING
        self._rollout: Rollout | None = None
        self._reloaded: Reloaded | None = None
        self._reload_again = False
        self._is_ready = False
        self._dumps = Dumps(self._crew, emitter)
        self.failure = ""
        """One line that says why the daemon ended with a code other than 0."""
        self.was_told_to_stop = False

    # the loop

    def run(self) -> int:
        """Start the workers and keep them until the daemon is told to stop; a `DaemonExit`. Blocks."""
        name_process(f"snqd:{self._config.name}")
        with self._signals:
            gc.collect()
            gc.freeze()  # what is made before the forks stays shared between all processes
            for _ in range(self._wanted):
                self._open_slot()
            while not self._is_finished():
                arrived = self._signals.wait(self._timeout())
                for pid, status in self._crew.reap(self._plan.policy):
                    self._companion.ended(pid, status)
                for number in arrived:
                    self._obey(number)
                self._look()
                self._act()
            code = self._finish()
            self._companion.leave(self._signals)
        self._lifeline.close()
        self._notifier.close()
        return code

    def _timeout(self) -> float:
        now = time.monotonic()
        waits = [
            TICK_SECONDS,
            self._watch.next_seconds,
            self._notifier.watchdog(now),
            self._dumps.wait_seconds,
            self._companion.wait_seconds,
        ]
        for slot in self._crew:
            if slot.state is SlotState.BACKOFF:
                waits.append(slot.spawn_at - now)
            elif slot.state is SlotState.STARTING:  # READY is a word in memory: look at it, ever less often
                low, high = _STARTING_POLL_SECONDS
                waits.append(min(max((now - slot.spawned_at) / 10, low), high))
            elif slot.state is SlotState.STOPPING and slot.kill_at is not None:
                waits.append(slot.kill_at - now)
        return max(0.0, min(wait for wait in waits if wait is not None))

    def _is_finished(self) -> bool:
        if self._stage is not Stage.WORKING:
            return not self._crew.alive()
        return not any(slot.is_alive or slot.state is SlotState.BACKOFF for slot in self._crew)

    def _look(self) -> None:
        if self._stage is Stage.WORKING:
            self._change_count_as_asked()
        for finding in self._watch.look(self._crew.alive(), stuck_seconds=self._config.watchdog_seconds):
            self._kill_found(finding)
        running = self._crew.in_state(SlotState.RUNNING)
        if running and not self._is_ready and self._stage is Stage.WORKING:
            self._become_ready()
        if self._is_ready and self._stage is Stage.WORKING and self._rollout is None:
            self._notifier.status(f"{len(running)} of {self._wanted} workers run")

    def _act(self) -> None:
        now = time.monotonic()
        for slot in self._crew:
            if slot.state is SlotState.BACKOFF and slot.spawn_at <= now:
                self._crew.spawn(slot, self._plan)
            elif slot.state is SlotState.STOPPING and slot.kill_at is not None and slot.kill_at <= now:
                slot.kill_at = None
                self._kill_straggler(slot)
        if self._stage is Stage.WORKING:
            self._crew.replace_as_asked(grace_seconds=self._config.grace_seconds + RELEASE_SECONDS)
        self._dumps.step()
        self._companion.step()
        if self._rollout is not None:
            self._advance(self._rollout)

    # starting

    def _make_plan(self, config: DaemonConfig, run_worker: RunWorker, generation: int = 1) -> Plan:
        return Plan(
            generation=generation,
            run_worker=run_worker,
            policy=RespawnPolicy(
                delay_seconds=config.respawn_delay_seconds,
                limit=config.respawn_limit,
                window_seconds=config.respawn_window_seconds,
            ),
            memory_limit_bytes=parse_memory_limit(config.memory_soft_limit).of(
                MemoryFiles().total_bytes(), workers=worker_count(config.threads)
            ),
        )

    def _open_slot(self) -> None:
        slot = self._crew.free_slot()
        if slot is not None:
            self._crew.spawn(slot, self._plan)

    def _become_ready(self) -> None:
        self._is_ready = True
        self._emitter.emit(
            DaemonStarted(
                daemon=self._config.name,
                pid=os.getpid(),
                version=self._version,
                workers=self._wanted,
                store=self._store_shown,
            )
        )
        self._companion.start_now()
        self._notifier.ready()
        self._on_ready()

    def _enter_child(self) -> None:
        self._signals.leave_in_child()
        self._lifeline.hold()
        self._notifier.close()
        for descriptor in self._private_fds:
            os.close(descriptor)

    # signals

    def _obey(self, number: signal.Signals) -> None:
        self.was_told_to_stop |= number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
        match number:
            case signal.SIGTERM | signal.SIGINT if self._stage is Stage.WORKING:
                self._drain(number.name)
            case signal.SIGTERM | signal.SIGINT:
                self._quit(f"second {number.name}")
            case signal.SIGQUIT:
                self._quit(number.name)
            case signal.SIGUSR1:
                self._dumps.begin()
            case signal.SIGHUP if self._stage is Stage.WORKING:
                self._begin_reload()
            case signal.SIGTTIN if self._stage is Stage.WORKING:
                self._change_count(+1, number.name)
            case signal.SIGTTOU if self._stage is Stage.WORKING:
                self._change_count(-1, number.name)
            case _:
                pass  # CHLD only wakes the loop; USR2 is reserved; the rest means nothing to a daemon that stops

    def _drain(self, reason: str) -> None:
        self._stop(Stage.DRAINING, reason, self._config.grace_seconds)
        for slot in self._crew.alive():
            self._crew.ask_to_leave(slot, Stop.CLOSE, grace_seconds=self._config.grace_seconds + RELEASE_SECONDS)

    def _quit(self, reason: str) -> None:
        if self._stage is Stage.QUITTING:
            return
        self._stop(Stage.QUITTING, reason, 0.0)
        for slot in self._crew.alive():
            if slot.state is not SlotState.STOPPING:
                slot.move(SlotState.STOPPING)
            slot.stop, slot.kill_at = Stop.CLOSE, time.monotonic() + QUIT_SECONDS
            self._crew.note_kill(slot, Killed.SHUTDOWN, f"stopped at once by {reason}")
            self._crew.send(slot, signal.SIGQUIT)

    def _stop(self, stage: Stage, reason: str, grace_seconds: float) -> None:
        self._stage = stage
        self._rollout = None
        self._emitter.emit(DaemonStopping(daemon=self._config.name, reason=reason, grace_seconds=grace_seconds))
        self._notifier.stopping(f"stopping: {reason}")
        for slot in self._crew.in_state(SlotState.BACKOFF):
            self._crew.close(slot)

    def _change_count_as_asked(self) -> None:
        """The hub writes down how many workers somebody wants."""
        view = self._board.slot(HUB_SLOT)
        wanted = view.get(Word.WANTED)
        if not wanted:
            return
        view.set(Word.WANTED, 0)
        if wanted != self._wanted and 1 <= wanted <= MAX_WORKERS:
            self._resize(wanted)
            self._emitter.emit(WorkerCountChanged(daemon=self._config.name, workers=wanted, reason="snqd ctl threads"))

    def _change_count(self, step: int, reason: str) -> None:
        wanted = self._wanted + step
        if not 1 <= wanted <= MAX_WORKERS:
            reason = f"{reason} refused: {'at least 1' if step < 0 else f'at most {MAX_WORKERS}'}"
        else:
            self._resize(wanted)
        self._emitter.emit(WorkerCountChanged(daemon=self._config.name, workers=self._wanted, reason=reason))

    def _resize(self, wanted: int) -> None:
        """Open slots or close the highest ones. The extra worker of a rollout is not counted."""
        rollout, step = self._rollout, wanted - self._wanted
        self._wanted = wanted
        for _ in range(step):
            if rollout is None or not rollout.keep_extra():
                self._open_slot()
        extra = rollout.extra if rollout is not None and not rollout.is_extra_kept else None
        kept = [
            slot for slot in self._crew
            if slot is not extra and slot.state is not SlotState.CLOSED and slot.stop is not Stop.CLOSE
        ]  # fmt: skip
        for slot in kept[len(kept) + step :] if step < 0 else []:
            if slot.is_alive:
                grace = self._config.grace_seconds + RELEASE_SECONDS
                self._crew.ask_to_leave(slot, Stop.CLOSE, grace_seconds=grace)
            else:
                self._crew.close(slot)

    # killing

    def _kill_found(self, finding: Finding) -> None:
        slot, late = finding.slot, finding.overdue
        if late is not None:
            ran = (time.monotonic_ns() - late.started_ns) / 1e9
            reason = f"time limit of item {late.item} (queue {late.queue}, site {late.site}): it ran for {ran:.1f} s"
            self._crew.kill(slot, Killed.TIME_LIMIT, reason, item=late.item)
        else:
            reason = f"stuck: its loop has not moved for {slot.still_seconds:.0f} s and no item is running"
            self._crew.kill(slot, Killed.STUCK, reason)

    def _kill_straggler(self, slot: Slot) -> None:
        reason = f"cut short: the grace period of {self._config.grace_seconds:g} s is over"
        self._crew.kill(slot, Killed.SHUTDOWN, reason)

    # reloading

    def _begin_reload(self) -> None:
        if self._rollout is not None:
            self._reload_again = True
            return
        self._notifier.reloading()
        try:
            reloaded = self._reload()
            plan = self._make_plan(reloaded.config, reloaded.run_worker, self._plan.generation + 1)
        except SnqdError as error:
            self._refuse_reload(str(error))
            return
        except Exception as error:  # a defect in reading the configuration must not end the daemon
            self._refuse_reload(f"{type(error).__name__}: {error}")
            return
        extra = self._crew.free_slot()
        assert extra is not None, "MAX_WORKERS leaves one slot free"
        self._emitter.emit(Reloading(daemon=self._config.name, changes=reloaded.changes))
        self._reloaded = reloaded
        self._rollout = Rollout(self._crew, plan, extra)

    def _refuse_reload(self, error: str) -> None:
        self._emitter.emit(ReloadFailed(daemon=self._config.name, error=error))
        self._notifier.ready()

    def _advance(self, rollout: Rollout) -> None:
        was_proven = rollout.is_proven
        rollout.step(grace_seconds=self._config.grace_seconds + RELEASE_SECONDS)
        if rollout.failure:
            self._rollout = None
            if self._reloaded is not None:
                self._reloaded.drop()
                self._reloaded = None
            if not rollout.extra.is_alive and rollout.extra.state is not SlotState.CLOSED:
                self._crew.close(rollout.extra)
            self._refuse_reload(f"a worker with the new configuration could not start: {rollout.failure}")
        elif rollout.is_proven and not was_proven:
            self._adopt(rollout)
            self._advance(rollout)
        elif rollout.is_done:
            self._rollout = None
            self._emitter.emit(ReloadFinished(daemon=self._config.name, workers=self._wanted))
            self._on_reloaded()
            self._notifier.ready()
            if self._reload_again:
                self._reload_again = False
                self._begin_reload()

    def _adopt(self, rollout: Rollout) -> None:
        """The new configuration works: from now on it is the one."""
        assert self._reloaded is not None
        self._reloaded.adopt()
        before, self._config = self._config, self._reloaded.config
        self._companion.stuck_seconds = self._config.watchdog_seconds
        self._companion.replace(self._reloaded.hub)
        self._plan, self._janitor, self._reloaded = rollout.plan, self._reloaded.janitor, None
        if self._config.threads != before.threads:
            self._resize(worker_count(self._config.threads))
            self._emitter.emit(WorkerCountChanged(daemon=before.name, workers=self._wanted, reason="reload"))

    # the end

    def _finish(self) -> int:
        if self._stage is Stage.WORKING:
            self._explain_end()
        if any(view.get(Word.UNREPAIRED) for view in self._board.used()):
            run_janitor(self._crew, self._janitor, self._signals)
        code = DaemonExit.FATAL if self.failure else DaemonExit.OK
        self._emitter.emit(DaemonStopped(daemon=self._config.name, code=code))
        return code

    def _explain_end(self) -> None:
        """No worker is left although nobody told the daemon to stop."""
        fatal = self._crew.in_state(SlotState.FATAL)
        reason = "every worker was shut down"
        if fatal:
            which = f"all {len(fatal)} workers" if len(fatal) > 1 else "the worker"
            reason = self.failure = f"no worker can be kept alive; {which}: {fatal[0].fatal_reason}"
        self._stop(Stage.QUITTING, reason, 0.0)

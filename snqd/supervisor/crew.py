"""The crew: all slots of the daemon, and the thin actions on them: spawn, ask to leave, kill, reap.

What to do is decided elsewhere (`respawn`, `rollout`, `limits`); here it is done and told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snqd.supervisor.lastwords import autopsy
from snqd.supervisor.memory import MemoryFiles
from snqd.supervisor.respawn import Close, Fatal, Respawn
from snqd.supervisor.slots import MAX_WORKERS, Slot, Stop
from snqd.supervisor.spawning import fork_child, name_process
from snqd.telemetry.board import SlotState, Word
from snqd.telemetry.events import SlotFatal, WorkerCrashed, WorkerKilled, WorkerRespawning, WorkerSpawned
from snqd.telemetry.exits import Killed
from snqd.telemetry.seat import WorkerSeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.supervisor.respawn import RespawnPolicy
    from snqd.telemetry.board import Board
    from snqd.telemetry.emitter import Emitter
    from snqd.telemetry.seat import RunWorker

_FORK_RETRY_SECONDS = 1.0
_PER_WORKER = tuple(word for word in Word if word >= Word.PHASE and word != Word.RUNNING)
"""Words of the worker that say nothing about its claims: zero again for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What workers are started with. A reload makes the next `generation`."""

    generation: int
    run_worker: RunWorker
    policy: RespawnPolicy
    memory_limit_bytes: int | None


class Crew:
    """Knows every slot by its number.

    `enter_child` is called first in each child: it lets go of what is the supervisor's. `on_death` is called when a
    worker has died that may have held claims.
    """

    def __init__(
        self,
        *,
        daemon: str,
        board: Board,
        emitter: Emitter,
        lifeline_fd: int,
        enter_child: Callable[[], None],
        on_death: Callable[[], None],
    ) -> None:
        self.slots: dict[int, Slot] = {}
        self._daemon = daemon
        self._board = board
        self._emitter = emitter
        self._lifeline_fd = lifeline_fd
        self._enter_child = enter_child
        self._on_death = on_death
        self._memory = MemoryFiles()
        self._oom_kills = self._memory.oom_kills()

    def __iter__(self) -> Iterator[Slot]:
        return iter(sorted(self.slots.values(), key=lambda slot: slot.number))

    def alive(self) -> list[Slot]:
        return [slot for slot in self if slot.is_alive]

    def in_state(self, *states: SlotState) -> list[Slot]:
        return [slot for slot in self if slot.state in states]

    def free_slot(self) -> Slot | None:
        """The lowest closed slot, made when it was never used; None when every slot has a worker."""
        for number in range(1, MAX_WORKERS + 2):
            slot = self.slots.get(number)
            if slot is None:
                slot = Slot(number, f"{self._daemon}.{number}", self._board.slot(number))
                self.slots[number] = slot
            if slot.state is SlotState.CLOSED:
                return slot
        return None

    # starting

    def spawn(self, slot: Slot, plan: Plan) -> None:
        """Fork a worker into `slot`. When the system has no process to give, the slot waits in backoff."""
        view = slot.view
        seat = self._seat(slot, slot.worker, plan.memory_limit_bytes)
        if slot.took_over():
            view.clear()
        slot.inherited_reason = view.exit_reason
        for word in _PER_WORKER:
            view.set(word, 0)
        view.set(Word.SPAWNED_NS, time.monotonic_ns())
        view.set(Word.RESPAWNS, slot.spawns)
        slot.move(SlotState.STARTING)
        try:
            pid = self._fork(seat, plan.run_worker)
        except OSError as error:
            slot.move(SlotState.BACKOFF)
            slot.spawn_at = time.monotonic() + _FORK_RETRY_SECONDS
            self._tell_respawn(slot, _FORK_RETRY_SECONDS, f"no process could be started: {error.strerror}")
            return
        slot.pid, slot.spawned_at, slot.generation = pid, time.monotonic(), plan.generation
        slot.stop, slot.kill_at, slot.fatal_reason = None, None, ""
        slot.killed, slot.kill_reason = Killed.NO, ""
        slot.beat_ns, slot.still_seconds = 0, 0.0
        view.set(Word.PID, pid)
        self._emitter.emit(WorkerSpawned(worker=slot.worker, pid=pid, respawns=slot.spawns))
        slot.spawns += 1

    def _seat(self, slot: Slot, worker: str, memory_limit_bytes: int | None) -> WorkerSeat:
        return WorkerSeat(
            slot=slot.number,
            worker=worker,
            view=slot.view,
            board=self._board,
            lifeline_fd=self._lifeline_fd,
            memory_limit_bytes=memory_limit_bytes,
        )

    def _fork(self, seat: WorkerSeat, run: RunWorker) -> int:
        def body() -> int:
            self._enter_child()
            name_process(f"snqd:{seat.worker}")
            return run(seat)

        def tell(error: BaseException) -> None:
            words = f"{type(error).__name__}: {error}"
            if not seat.view.get(Word.UNREPAIRED):  # else the reason on the board is the predecessor's
                seat.view.exit_reason = words
            trace = "".join(traceback.format_exception(error))
            self._emitter.emit(WorkerCrashed(worker=seat.worker, pid=os.getpid(), error=words, traceback=trace))

        return fork_child(body, on_error=tell)

    def fork_janitor(self, janitor: RunWorker) -> int:
        """Fork the process that gives back what dead workers held; its pid. Raises `OSError`.

        It sits in no slot of its own: it reads those of others, and its `view` is not to be written.
        """
        slot = self.free_slot() or next(iter(self))
        return self._fork(self._seat(slot, f"{self._daemon}.janitor", None), janitor)

    # stopping

    def ask_to_leave(self, slot: Slot, stop: Stop, *, grace_seconds: float) -> None:
        """Send TERM to a living worker that has not been asked yet; it is killed when the grace period is over."""
        if slot.state is SlotState.STOPPING:
            if stop is Stop.CLOSE:
                slot.stop = stop
            return
        slot.stop, slot.kill_at = stop, time.monotonic() + grace_seconds
        slot.move(SlotState.STOPPING)
        self.send(slot, signal.SIGTERM)

    def replace_as_asked(self, *, grace_seconds: float) -> None:
        """Ask workers to leave whose replacement somebody asked the hub for: the board names the process meant."""
        for slot in self.in_state(SlotState.RUNNING):
            if slot.view.get(Word.RESTART) == slot.pid:
                self.ask_to_leave(slot, Stop.REPLACE, grace_seconds=grace_seconds)

    def close(self, slot: Slot) -> None:
        """Close a slot that has no process."""
        slot.quick_deaths = 0
        slot.move(SlotState.CLOSED)

    def kill(self, slot: Slot, killed: Killed, reason: str, *, item: int = 0) -> None:
        """SIGKILL, with the reason on the board before. A reason noted earlier stays."""
        self.note_kill(slot, killed, reason, item=item)
        self.send(slot, signal.SIGKILL)
        self._emitter.emit(WorkerKilled(worker=slot.worker, pid=slot.pid, reason=slot.kill_reason))

    def note_kill(self, slot: Slot, killed: Killed, reason: str, *, item: int = 0) -> None:
        """Write down why the worker is about to be killed, for us and for whoever repairs it."""
        if slot.killed:
            return
        slot.killed, slot.kill_reason = killed, reason
        if slot.took_over():  # else the words on the board are its predecessor's, and still needed
            slot.view.exit_reason = reason
            slot.view.set(Word.KILLED_ITEM, item)
            slot.view.set(Word.KILLED, killed)

    def send(self, slot: Slot, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # not reached: a child is ours until it is reaped
            os.kill(slot.pid, number)

    # ending

    def reap(self, policy: RespawnPolicy) -> list[tuple[int, int]]:
        """Collect every child that has ended, then say what becomes of each slot.

        Returns pid and status of the others: the hub, or an orphan that was given to us as process 1.
        """
        ended, others = [], []
        by_pid = {slot.pid: slot for slot in self.alive()}
        for pid, status in _ended_children():
            slot = by_pid.get(pid)
            if slot is not None:
                ended.append((slot, status, time.monotonic()))
            else:
                others.append((pid, status))
        oom = self._oom_since_last_look() if ended else False
        for slot, status, now in ended:
            self._bury(slot, status, now, policy, oom=oom)
        return others

    def _bury(self, slot: Slot, status: int, now: float, policy: RespawnPolicy, *, oom: bool | None) -> None:
        death, event = autopsy(slot, status, now, oom=oom)
        slot.view.set(Word.PID, 0)
        slot.view.last_exit = event.reason
        slot.view.set(Word.EXITED_NS, time.monotonic_ns())
        slot.pid, slot.kill_at = 0, None
        decision = policy.decide(death, slot.quick_deaths)
        self._emitter.emit(event)
        match decision:
            case Close():
                self.close(slot)
            case Fatal(reason):
                slot.fatal_reason = reason
                slot.move(SlotState.FATAL)
                self._emitter.emit(SlotFatal(worker=slot.worker, reason=reason))
            case Respawn(delay, quick_deaths):
                slot.quick_deaths = quick_deaths
                slot.spawn_at = now + delay
                slot.move(SlotState.BACKOFF)
                if death.asked is None:
                    self._tell_respawn(slot, delay, death.reason)
        if slot.view.get(Word.UNREPAIRED):
            self._on_death()

    def _tell_respawn(self, slot: Slot, delay: float, reason: str) -> None:
        self._emitter.emit(WorkerRespawning(worker=slot.worker, delay_seconds=delay, reason=reason))

    def _oom_since_last_look(self) -> bool | None:
        before, self._oom_kills = self._oom_kills, self._memory.oom_kills()
        return None if before is None or self._oom_kills is None else self._oom_kills > before


def _ended_children() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status

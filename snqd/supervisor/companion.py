"""The companion: one more child beside the workers (the hub), which is kept alive and never given up.

The daemon works without it, so nothing waits for it: it starts when the workers have, a death is followed by another
start after a growing delay, and at the end it is the last to leave, because it tells the others' ends. A companion
whose loop has not moved for `daemon.watchdog_seconds` is killed and replaced.

Its words on the board are in slot 0, which no worker has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snqd.supervisor.lastwords import Status, reason_in_words
from snqd.supervisor.spawning import fork_child, name_process
from snqd.telemetry.board import Word
from snqd.telemetry.events import HubExited, WorkerCrashed

if TYPE_CHECKING:
    from snqd.supervisor.signals import SignalPipe
    from snqd.telemetry.board import Board
    from snqd.telemetry.emitter import Emitter

SLOT = 0
START_SECONDS = 1.0
"""Longest time that it waits for the workers to start first."""
LEAVE_SECONDS = 2.0
_FIRST_DELAY_SECONDS = 0.1
_DELAY_LIMIT_SECONDS = 30.0
_SOUND_SECONDS = 10.0  # one that lived longer than this was not a quick death
_LONGEST_STEP_SECONDS = 2.5  # a longer time between two looks: we were stopped ourselves, and it with us


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSeat:
    """What the forked hub is given. Its signals are blocked until it has its own handlers."""

    board: Board
    lifeline_fd: int
    """Becomes readable (end of file) when the supervisor is gone: leave at once."""
    respawns: int


RunHub = Callable[[HubSeat], int]
"""Runs in the forked process until it is told to leave."""


class Companion:
    """Used by the supervisor's loop: `step` in every turn, `ended` for a child that is not a worker."""

    def __init__(
        self,
        *,
        daemon: str,
        board: Board,
        emitter: Emitter,
        lifeline_fd: int,
        enter_child: Callable[[], None],
        run: RunHub | None,
        stuck_seconds: float,
    ) -> None:
        self._daemon = daemon
        self._board = board
        self._view = board.slot(SLOT)
        self._emitter = emitter
        self._lifeline_fd = lifeline_fd
        self._enter_child = enter_child
        self._run = run
        self.stuck_seconds = stuck_seconds
        self._pid = 0
        self._respawns = 0
        self._quick_deaths = 0
        self._spawned_at = 0.0
        self._start_at = time.monotonic() + START_SECONDS
        self._beat_ns = 0
        self._looked_at = 0.0
        self._still_seconds = 0.0
        self._kill_reason = ""
        self._is_asked = False

    def start_now(self) -> None:
        """The workers have started."""
        if not self._pid and not self._respawns:
            self._start_at = 0.0

    @property
    def wait_seconds(self) -> float | None:
        """Until `step` has something to do; None = nothing is due."""
        if self._run is None or self._pid:
            return None
        return max(0.0, self._start_at - time.monotonic())

    def step(self) -> None:
        """Start it when it is due, kill it when it is stuck."""
        now = time.monotonic()
        if self._run is not None and not self._pid and now >= self._start_at:
            self._spawn(now)
        elif self._pid:
            self._look_at_beat(now)

    def replace(self, run: RunHub | None) -> None:
        """After a reload: the present one leaves and the next is started with the new configuration (None: no hub)."""
        self._run = run
        self._quick_deaths = 0
        if self._pid:
            self._is_asked = True
            self._send(signal.SIGTERM)
        else:
            self._start_at = 0.0

    def ended(self, pid: int, status: int) -> None:
        """Take note that `pid` has ended, if it is ours."""
        if pid != self._pid:
            return
        lived = time.monotonic() - self._spawned_at
        reason = reason_in_words(
            Status.of(status), own_reason=self._view.exit_reason, kill_reason=self._kill_reason, asked=None, oom=False
        )
        if not self._is_asked:
            self._emitter.emit(HubExited(daemon=self._daemon, pid=pid, reason=reason, lived_seconds=round(lived, 3)))
        self._quick_deaths = 0 if lived >= _SOUND_SECONDS or self._is_asked else self._quick_deaths + 1
        delay = min(_FIRST_DELAY_SECONDS * 2.0 ** min(self._quick_deaths - 1, 20), _DELAY_LIMIT_SECONDS)
        self._start_at = time.monotonic() + (delay if self._quick_deaths else 0.0)
        self._pid, self._kill_reason, self._is_asked = 0, "", False
        self._view.set(Word.PID, 0)

    def leave(self, signals: SignalPipe) -> None:
        """At the daemon's end: ask it to leave, and wait for it a little."""
        self._run = None
        if not self._pid:
            return
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + LEAVE_SECONDS
        while os.waitpid(self._pid, os.WNOHANG)[0] != self._pid:
            left = deadline - time.monotonic()
            if left <= 0:
                self._send(signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
            signals.wait(left)
        self._pid = 0

    def _spawn(self, now: float) -> None:
        run, view = self._run, self._view
        assert run is not None
        seat = HubSeat(board=self._board, lifeline_fd=self._lifeline_fd, respawns=self._respawns)
        name = f"{self._daemon}.hub"

        def body() -> int:
            self._enter_child()
            name_process(f"snqd:{name}")
            return run(seat)

        def tell(error: BaseException) -> None:
            words = f"{type(error).__name__}: {error}"
            view.exit_reason = words
            trace = "".join(traceback.format_exception(error))
            self._emitter.emit(WorkerCrashed(worker=name, pid=os.getpid(), error=words, traceback=trace))

        view.exit_reason = ""
        view.set(Word.BEAT_NS, 0)
        view.set(Word.SPAWNED_NS, time.monotonic_ns())
        view.set(Word.RESPAWNS, self._respawns)
        try:
            self._pid = fork_child(body, on_error=tell)
        except OSError:  # no process to give: the workers need them more
            self._start_at = now + 1.0
            return
        view.set(Word.PID, self._pid)
        self._spawned_at = self._looked_at = now
        self._still_seconds = 0.0
        self._respawns += 1

    def _look_at_beat(self, now: float) -> None:
        beat, step = self._view.get(Word.BEAT_NS), now - self._looked_at
        self._looked_at = now
        if beat != self._beat_ns:
            self._beat_ns, self._still_seconds = beat, 0.0
        elif step <= _LONGEST_STEP_SECONDS:
            self._still_seconds += step
        if self._still_seconds > self.stuck_seconds and not self._kill_reason:
            self._kill_reason = f"stuck: its loop has not moved for {self._still_seconds:.0f} s"
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # not reached: a child is ours until it is reaped
            os.kill(self._pid, number)

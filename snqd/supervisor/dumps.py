"""USR1: what every worker is doing, one worker after the other.

The board says what, a worker's own Python stack says where. Each worker writes its stack to standard error line by
line, so they take turns: otherwise the stacks of fifty workers would be one heap.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from snqd.telemetry.board import Phase, Word
from snqd.telemetry.events import WorkerDump

if TYPE_CHECKING:
    from snqd.supervisor.crew import Crew
    from snqd.supervisor.slots import Slot
    from snqd.telemetry.emitter import Emitter

_TURN_SECONDS = 0.05


class Dumps:
    """The workers whose turn is still to come."""

    def __init__(self, crew: Crew, emitter: Emitter) -> None:
        self._crew = crew
        self._emitter = emitter
        self._waiting: list[Slot] = []

    def begin(self) -> None:
        """All living workers, from the first."""
        self._waiting = self._crew.alive()

    @property
    def wait_seconds(self) -> float | None:
        """Until the next turn; None when nobody waits."""
        return _TURN_SECONDS if self._waiting else None

    def step(self) -> None:
        """Give the next worker its turn."""
        if not self._waiting:
            return
        slot = self._waiting.pop(0)
        if slot.is_alive:
            self._emitter.emit(dump_of(slot, time.monotonic_ns()))
            self._crew.send(slot, signal.SIGUSR1)


def dump_of(slot: Slot, now_ns: int) -> WorkerDump:
    """What the board says about a living worker."""
    view = slot.view
    running = view.running() if slot.took_over() else []
    phase = view.get(Word.PHASE)
    return WorkerDump(
        worker=slot.worker,
        pid=slot.pid,
        state=Phase(phase).name.lower() if phase in set(Phase) else str(phase),
        handled=view.get(Word.HANDLED),
        failed=view.get(Word.FAILED),
        rss_bytes=view.get(Word.RSS_BYTES),
        beat_age_seconds=round((now_ns - max(view.get(Word.BEAT_NS), view.get(Word.SPAWNED_NS))) / 1e9, 3),
        running=tuple(
            f"{item.item} {item.queue} {item.site} {(now_ns - item.started_ns) / 1e9:.3f}" for item in running
        ),
    )

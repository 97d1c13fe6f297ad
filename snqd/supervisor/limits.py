"""Looking at the board: workers that have become ready, items past their time limit, loops that are stuck."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.board import SlotState, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqd.supervisor.slots import Slot
    from snqd.telemetry.board import Running

OVERTIME_SECONDS = 1.0
"""The worker stops what it can stop at the deadline itself; what still runs this much later is killed."""
_LONGEST_STEP_SECONDS = 2.5
"""A longer time between two looks means that we were stopped ourselves (a frozen container, a debugger)."""


def overdue(running: Iterable[Running], now_ns: int) -> list[Running]:
    """The items whose deadline passed more than `OVERTIME_SECONDS` ago."""
    return [item for item in running if item.deadline_ns and now_ns - item.deadline_ns > OVERTIME_SECONDS * 1e9]


def next_deadline_seconds(running: Iterable[Running], now_ns: int) -> float | None:
    """Seconds until the first of `running` is overdue; None when none has a deadline."""
    deadlines = [item.deadline_ns for item in running if item.deadline_ns]
    return (min(deadlines) - now_ns) / 1e9 + OVERTIME_SECONDS if deadlines else None


class Finding(NamedTuple):
    """A worker that has to be killed: for an `overdue` item, or (None) because its loop is stuck."""

    slot: Slot
    overdue: Running | None


class Watch:
    """Remembers when it looked last. The first look of each worker starts its clock."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self.next_seconds: float | None = None
        """Until the next item may be overdue, as of the last look."""

    def look(self, slots: Sequence[Slot], *, stuck_seconds: float) -> list[Finding]:
        """Note which workers are ready now, and find those that must be killed. `stuck_seconds` 0 = never stuck."""
        now = time.monotonic()
        step, self._looked = now - self._looked, now
        if step > _LONGEST_STEP_SECONDS:  # the workers were frozen with us: give them this round
            step = 0.0
            self.next_seconds = 1.0
            return []
        self.next_seconds = None
        found = []
        for slot in slots:
            if slot.state is SlotState.STARTING and slot.view.get(Word.READY):
                slot.move(SlotState.RUNNING)
            finding = self._examine(slot, step, stuck_seconds)
            if finding is not None:
                found.append(finding)
        return found

    def _examine(self, slot: Slot, step: float, stuck_seconds: float) -> Finding | None:
        if slot.killed or not slot.is_alive:
            return None
        # Before it is ready, the entries may still be the last words of its predecessor.
        running = slot.view.running() if slot.view.get(Word.READY) else []
        now_ns = time.monotonic_ns()
        late = overdue(running, now_ns)
        if late:
            return Finding(slot, late[0])
        next_seconds = next_deadline_seconds(running, now_ns)
        if next_seconds is not None:
            self.next_seconds = next_seconds if self.next_seconds is None else min(next_seconds, self.next_seconds)
        beat = slot.view.get(Word.BEAT_NS)
        if running or beat != slot.beat_ns:
            slot.beat_ns, slot.still_seconds = beat, 0.0
        else:
            slot.still_seconds += step
        is_stuck = 0 < stuck_seconds < slot.still_seconds and slot.state is not SlotState.STOPPING
        return Finding(slot, None) if is_stuck else None

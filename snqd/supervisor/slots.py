"""A slot: the place of one worker, as a state machine whose every change is on the board.

    closed ──▶ starting ──▶ running ──▶ stopping ──▶ closed
                 ▲  │           │           │
                 │  ▼           ▼           │         every death that is followed by another worker passes
              backoff ◀─────────┴───────────┘         through backoff, if only for an instant
                 │
    fatal ◀──────┴─ from starting, running, stopping: too many quick deaths, or a worker that cannot start

`Slot.move` is the only way to change the state, and refuses what the table does not have.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from snqd.telemetry.board import SLOTS, SlotState, Word
from snqd.telemetry.exits import Killed

if TYPE_CHECKING:
    from snqd.telemetry.board import SlotView

MAX_WORKERS = SLOTS - 2
"""Slot 0 is not used, and one slot stays free for the extra worker of a reload."""

CHANGES: dict[SlotState, frozenset[SlotState]] = {
    SlotState.CLOSED: frozenset({SlotState.STARTING, SlotState.BACKOFF}),
    SlotState.STARTING: frozenset(
        {SlotState.RUNNING, SlotState.STOPPING, SlotState.BACKOFF, SlotState.FATAL, SlotState.CLOSED}
    ),
    SlotState.RUNNING: frozenset({SlotState.STOPPING, SlotState.BACKOFF, SlotState.FATAL, SlotState.CLOSED}),
    SlotState.STOPPING: frozenset({SlotState.CLOSED, SlotState.BACKOFF, SlotState.FATAL}),
    SlotState.BACKOFF: frozenset({SlotState.STARTING, SlotState.CLOSED}),
    SlotState.FATAL: frozenset({SlotState.STARTING, SlotState.BACKOFF, SlotState.CLOSED}),
}
"""From each state, the states that may follow. A fork that fails puts a closed or fatal slot into backoff."""

ALIVE = frozenset({SlotState.STARTING, SlotState.RUNNING, SlotState.STOPPING})
"""The states in which the slot has a process."""


class Stop(Enum):
    """Why a worker was asked to leave: what becomes of its slot afterwards."""

    CLOSE = "close"
    REPLACE = "replace"


@dataclass(slots=True, eq=False)
class Slot:
    """One slot and what the supervisor remembers of its worker. Times are `time.monotonic()` seconds."""

    number: int
    worker: str
    view: SlotView
    state: SlotState = SlotState.CLOSED
    pid: int = 0
    generation: int = 0
    """Generation of the configuration that its worker was started with."""
    spawns: int = 0
    spawned_at: float = 0.0
    quick_deaths: int = 0
    spawn_at: float = 0.0
    """In backoff: when the next worker is due."""
    stop: Stop | None = None
    kill_at: float | None = None
    """In stopping: when SIGKILL is due."""
    killed: Killed = Killed.NO
    """Why the supervisor has killed the worker, or is about to."""
    kill_reason: str = ""
    """The same in words."""
    inherited_reason: str = ""
    """The exit reason on the board when the worker was spawned: its predecessor's."""
    fatal_reason: str = ""
    beat_ns: int = 0
    still_seconds: float = 0.0
    """For how long the worker has neither beaten nor run an item."""

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    def move(self, state: SlotState) -> None:
        """Change the state, here and on the board. Raises `ValueError` for a change that is not in the table."""
        if state not in CHANGES[self.state]:
            raise ValueError(f"slot {self.worker} cannot go from {self.state.name} to {state.name}")
        self.state = state
        self.view.set(Word.STATE, state)

    def took_over(self) -> bool:
        """Whether what the worker writes is on the board now, and not its predecessor's last words."""
        return not self.view.get(Word.UNREPAIRED)


def worker_count(threads: int | None) -> int:
    """Number of workers for the setting `threads`: unset = CPUs this process may use, 0 = one worker."""
    wanted = len(os.sched_getaffinity(0)) if threads is None else threads
    return max(1, min(wanted, MAX_WORKERS))

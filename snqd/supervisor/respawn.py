"""What follows a worker's death, as a pure decision.

A *quick death* is one before `respawn_window_seconds` of a worker that had handled nothing: dying again and again like
that is a crash loop. Workers that die quickly but did some work are not looping: each time the queue got shorter,
and an item that kills its worker is dead-lettered at its third death by the store.

The first quick death is followed by a new worker at once, the next ones by growing delays, and the
`respawn_limit`-th by `Fatal`. A worker that is killed because an item ran past its time limit has done nothing wrong
and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from snqd.supervisor.slots import Stop
from snqd.telemetry.exits import WorkerExit

DELAY_LIMIT_SECONDS = 30.0
_DOUBLINGS_LIMIT = 64  # a limit of thousands must not overflow a float and end the supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker ended. `code` is None when a signal ended it."""

    code: int | None
    reason: str
    lived_seconds: float
    handled: int
    """Handlings that ended, well or badly."""
    asked: Stop | None = None
    """What the supervisor wanted with the slot when it asked the worker to leave; None: it did not ask."""
    by_time_limit: bool = False
    """The supervisor killed it because an item ran past its time limit."""


@dataclass(frozen=True, slots=True)
class Respawn:
    """Start another worker after `delay_seconds`; `quick_deaths` in a row so far."""

    delay_seconds: float
    quick_deaths: int


@dataclass(frozen=True, slots=True)
class Fatal:
    """Give the slot up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """The slot is not needed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RespawnPolicy:
    """The settings `respawn_*` of the daemon."""

    delay_seconds: float
    limit: int
    window_seconds: float

    def decide(self, death: Death, quick_deaths: int) -> Respawn | Fatal | Close:
        """What to do with the slot after `death`, given the quick deaths in a row before it."""
        if death.asked is Stop.CLOSE or (death.asked is None and death.code == WorkerExit.SHUTDOWN):
            return Close()
        if death.asked is Stop.REPLACE or death.by_time_limit:
            return Respawn(0.0, 0)
        if death.code == WorkerExit.BOOT_FAILED:
            return Fatal(death.reason)
        if death.handled > 0 or death.lived_seconds >= self.window_seconds:
            return Respawn(0.0, 0)
        return self._after_quick_death(quick_deaths + 1, death)

    def _after_quick_death(self, count: int, death: Death) -> Respawn | Fatal:
        if count >= self.limit:
            return Fatal(f"{count} quick deaths in a row, the last: {death.reason}")
        if count == 1:
            return Respawn(0.0, count)
        doublings = min(count - 2, _DOUBLINGS_LIMIT)
        return Respawn(min(self.delay_seconds * 2.0**doublings, DELAY_LIMIT_SECONDS), count)

"""`WorkerTrack`: what the monitor remembers of one worker slot."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from snqmon.model.course import Courses, Fold
from snqmon.model.minute import Minute

if TYPE_CHECKING:
    from snqd.telemetry.facts import EventFact, WorkerFact

FIGURES: Final = (("rss", Fold.HIGHEST), ("handled", Fold.MEAN), ("failed", Fold.MEAN), ("cpu", Fold.MEAN))
"""Bytes, items per second, and cores."""
LIFE: Final = frozenset({
    "WorkerSpawned", "WorkerReady", "WorkerCrashed", "WorkerExited", "WorkerRespawning", "SlotFatal", "WorkerKilled",
    "MemoryRestart", "ItemSlow", "WorkerStandsBy", "WorkerOnDuty",
})  # fmt: skip
"""Events that tell a worker's life."""
_KEPT_EVENTS: Final = 40
_STEP_SECONDS: Final = 4.5


class WorkerTrack:
    __slots__ = ("_minute_at", "_noted", "courses", "fact", "gone_at", "is_budgeted", "life", "minute", "usage")

    def __init__(self, fact: WorkerFact, *, has_courses: bool) -> None:
        self.fact = fact
        self.minute = Minute()
        """Handled and failed."""
        self.usage = Minute()
        """Processor time of the present process."""
        self.courses = Courses(FIGURES) if has_courses else None
        self.is_budgeted = has_courses
        """Whether its courses count among those that everything may have without being opened."""
        self.life: deque[EventFact] = deque(maxlen=_KEPT_EVENTS)
        """What befell the worker while we looked, oldest first."""
        self.gone_at: float | None = None
        """When it was not told of any more, by the receiver's clock."""
        self._noted: WorkerFact | None = None
        self._minute_at = -1e9

    def open(self) -> None:
        if self.courses is None:
            self.courses = Courses(FIGURES)

    def note(self, begin: float, at: float, life: int) -> None:
        """Note `fact` as it is `at`; `begin`: when it was noted last, the same as `at` after a gap."""
        fact, before = self.fact, self._noted
        if at - self._minute_at >= _STEP_SECONDS:
            self.minute.note(at, (fact.handled, fact.failed), life)
            self.usage.note(at, (fact.cpu_seconds,), (life, fact.pid))
            self._minute_at = at
        if self.courses is None:
            return
        values = {"rss": float(fact.rss_bytes)} if fact.pid else {}
        seconds = at - begin
        if before is not None and seconds > 0:
            values["handled"] = max(0, fact.handled - before.handled) / seconds
            values["failed"] = max(0, fact.failed - before.failed) / seconds
            if fact.pid and fact.pid == before.pid:
                values["cpu"] = max(0.0, fact.cpu_seconds - before.cpu_seconds) / seconds
        self._noted = fact
        self.courses.note(begin, at, values)

    def tell(self, event: EventFact) -> None:
        """Keep an event of its life, in order of time, unless it is here."""
        if event in self.life:
            return
        self.life.append(event)
        if len(self.life) > 1 and self.life[-2].at > event.at:
            ordered = sorted(self.life, key=lambda each: each.at)
            self.life.clear()
            self.life.extend(ordered)

    def deaths(self, since: float) -> int:
        """Unexpected ends since a moment of the daemon's clock."""
        if not self.life:
            return 0
        return sum(
            event.name == "WorkerExited" and not event.fields.get("expected")
            for event in self.life
            if event.at >= since
        )

"""`WorkerRow`: one worker slot of one daemon, and the worker in it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from snqmon.model.cells import Grade
from snqmon.model.course import Span
from snqmon.model.formats import duration, one_line
from snqmon.model.sparkline import trend_line
from snqmon.model.thresholds import state_grade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.telemetry.facts import MemoryFact, WorkerFact
    from snqmon.model.columns import Key
    from snqmon.model.moment import Moment
    from snqmon.model.worker_track import WorkerTrack

RECENT_SECONDS = 600.0
"""How long the death of a worker is news."""


class WorkerRow:
    def __init__(self, moment: Moment, track: WorkerTrack) -> None:
        self.moment = moment
        self.track = track
        self.fact: WorkerFact = track.fact

    @property
    def key(self) -> Key:
        return (self.moment.key, self.fact.worker)

    @property
    def daemon(self) -> str:
        return self.moment.key

    @property
    def worker(self) -> str:
        return self.fact.worker

    @property
    def pid(self) -> int | None:
        return self.fact.pid or None

    @property
    def is_gone(self) -> bool:
        """It is not told of any more, and is shown for a minute yet."""
        return self.track.gone_at is not None

    @property
    def state(self) -> str:
        """`handling mail`, `idle`, `starting`, `silent 31s`, `fatal`, `gone`."""
        fact = self.fact
        if self.is_gone:
            return "gone"
        if fact.state != "running":
            return fact.state
        if self.silence_grade > Grade.GOOD:
            return f"silent {duration(self.silence_seconds)}"
        if fact.running > 1:
            return f"handling {fact.running} of {fact.queue}" if fact.queue else f"handling {fact.running}"
        if fact.running or fact.phase == "handling":
            return f"handling {fact.queue}".rstrip()
        return fact.phase or fact.state

    @property
    def since_seconds(self) -> float | None:
        """How long its item has run; without one, how long the process has lived or the slot has been without."""
        fact = self.fact
        if fact.running and fact.item_started:
            return self.moment.age(fact.item_started)
        return self.moment.age(fact.spawned if fact.pid else fact.exit_at)

    @property
    def item(self) -> str:
        """The item that has run longest, with its site: `#88123 site01`."""
        return f"#{self.fact.item} {self.fact.site}".rstrip() if self.fact.item else ""

    @property
    def queue(self) -> str:
        """Of its longest item."""
        return self.fact.queue if self.fact.running else ""

    @property
    def site(self) -> str:
        return self.fact.site if self.fact.running else ""

    @property
    def handled(self) -> int:
        """Since the daemon's boot, like `failed`."""
        return self.fact.handled

    @property
    def failed(self) -> int:
        return self.fact.failed

    @property
    def rss_bytes(self) -> int | None:
        return self.fact.rss_bytes if self.fact.pid and self.fact.rss_bytes else None

    @property
    def limit_bytes(self) -> int | None:
        return self.fact.memory_limit_bytes or None

    @property
    def rss_share(self) -> float | None:
        """Of its soft limit."""
        return self.rss_bytes / self.limit_bytes if self.rss_bytes and self.limit_bytes else None

    @property
    def silence_seconds(self) -> float | None:
        """Since its loop last turned, as its daemon told last: that we hear nothing is no fault of the worker."""
        fact = self.fact
        return max(0.0, self.moment.view.sent_at - fact.beat) if fact.pid and fact.beat else None

    @cached_property
    def rates(self) -> tuple[float, ...] | None:
        """Handled and failed per second within the last minute."""
        return self.track.minute.rates(self.moment.at, (self.fact.handled, self.fact.failed))

    @property
    def out_rate(self) -> float | None:
        return None if self.rates is None else self.rates[0]

    @property
    def fail_rate(self) -> float | None:
        return None if self.rates is None else self.rates[1]

    @cached_property
    def cores(self) -> float | None:
        """Processor time per second within the last minute."""
        found = self.track.usage.rates(self.moment.at, (self.fact.cpu_seconds,))
        return found[0] if found is not None and self.fact.pid else None

    @property
    def respawns(self) -> int:
        """Since the daemon's boot."""
        return self.fact.respawns

    @property
    def deaths(self) -> int:
        """Unexpected ends within the last ten minutes, as far as we were there."""
        return self.track.deaths(self.moment.there - RECENT_SECONDS)

    @property
    def exit_reason(self) -> str:
        """How the last worker of this slot ended."""
        return one_line(self.fact.exit_reason)

    @property
    def exit_seconds(self) -> float | None:
        """How long ago."""
        return self.moment.age(self.fact.exit_at)

    @property
    def last_exit(self) -> str:
        """`4m10s ago: killed by signal 9`; empty = none has ended."""
        return f"{duration(self.exit_seconds)} ago: {self.exit_reason}" if self.fact.exit_at else ""

    @property
    def memory(self) -> Sequence[MemoryFact]:
        """By queue, the one whose handler grew most first."""
        return self.moment.memory.get(self.fact.worker, ())

    @property
    def limit_in_seconds(self) -> float:
        """When it reaches its soft limit if it goes on like this; -1 = not in sight."""
        return self.moment.limit_in_seconds.get(self.fact.worker, -1.0)

    @property
    def state_grade(self) -> Grade:
        if self.is_gone:
            return Grade.DIM
        return max(state_grade(self.fact), self.silence_grade)

    @property
    def silence_grade(self) -> Grade:
        """Only of workers without an item: a plain handler keeps the loop of its worker."""
        fact = self.fact
        if fact.running or fact.state != "running" or not self.moment.is_measured:
            return Grade.GOOD
        return max(Grade.GOOD, self.moment.thresholds.silence_seconds.grade(self.silence_seconds))

    @property
    def memory_grade(self) -> Grade:
        thresholds = self.moment.thresholds
        now = thresholds.memory(self.fact.rss_bytes, self.fact.memory_limit_bytes)
        return max(now, thresholds.memory_forecast(self.limit_in_seconds))

    @property
    def deaths_grade(self) -> Grade:
        return self.moment.thresholds.respawns.grade(self.deaths)

    @cached_property
    def grade(self) -> Grade:
        if self.is_gone:
            return Grade.DIM
        return max(self.state_grade, self.memory_grade, self.deaths_grade)

    @property
    def text(self) -> str:
        return f"{self.worker} {self.state} {self.item} {self.daemon} {self.exit_reason}"

    def course(self, figure: str, span: Span = Span.ONE) -> list[float]:
        """60 values, the newest last; empty when no course is kept."""
        courses = self.track.courses
        return courses.values(figure, span, self.moment.now) if courses is not None else []

    def trend(self, figure: str = "handled", width: int = 12) -> str:
        return trend_line(self.course(figure), figure, width, self.moment.signs)

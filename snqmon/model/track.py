"""`Track`: what the monitor remembers of one queue, site, or daemon: counters a minute ago, courses, timings."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Final

from snqmon.model.course import Courses, Fold
from snqmon.model.latency import NOTHING, Latency, Percentiles
from snqmon.model.minute import Minute

if TYPE_CHECKING:
    from snqd.telemetry.totals import Totals
    from snqmon.model.minute import Counts

FIGURES: Final = (
    ("ready", Fold.HIGHEST),
    ("lag", Fold.HIGHEST),
    ("in", Fold.MEAN),
    ("out", Fold.MEAN),
    ("failed", Fold.MEAN),
    ("wait_p50", Fold.HIGHEST),
    ("wait_p95", Fold.HIGHEST),
    ("wait_p99", Fold.HIGHEST),
    ("run_p50", Fold.HIGHEST),
    ("run_p95", Fold.HIGHEST),
    ("run_p99", Fold.HIGHEST),
)
"""What has a course: numbers of items, seconds, and things per second."""
_MINUTE_STEP_SECONDS: Final = 4.5

HANDLED, FAILED, RETRIED, DEAD_LETTERED, DISCARDED, ENQUEUED, RUN_SECONDS = range(7)
"""Places of counters in what `counts_of` gives."""


def counts_of(totals: Totals) -> Counts:
    return (
        totals.handled, totals.failed, totals.retried, totals.dead_lettered, totals.discarded, totals.enqueued,
        totals.run_seconds,
    )  # fmt: skip


def out_of(counts: Counts) -> float:
    """What left the queue for good."""
    return counts[HANDLED] + counts[DISCARDED] + counts[DEAD_LETTERED]


def ended_of(counts: Counts) -> float:
    """Handlings that ended, in whatever way. An item that became a dead letter has failed too."""
    return counts[HANDLED] + counts[FAILED] + counts[RETRIED] + counts[DISCARDED]


class Track:
    """Everything is by the receiver's clock: when the datagrams came that said it."""

    __slots__ = ("_counts", "_latency_at", "_minute_at", "courses", "minute", "run", "totals", "wait")

    def __init__(self, totals: Totals, *, has_courses: bool) -> None:
        self.totals = totals
        self.minute = Minute()
        self.courses: Courses | None = None
        self.run: Latency | None = None
        self.wait: Latency | None = None
        self._counts: Counts | None = None
        self._minute_at = self._latency_at = -1e9
        if has_courses:
            self.open()

    def open(self) -> None:
        """From now on the courses are kept too."""
        if self.courses is None:
            self.courses = Courses(FIGURES)
            self.run, self.wait = Latency(), Latency()

    def close(self) -> None:
        self.courses = self.run = self.wait = self._counts = None

    def note(self, begin: float, at: float, lag: float, life: int) -> None:
        """Note counters and gauges as they are `at`. `begin`: when they were noted last, or `at` after a gap."""
        counts = counts_of(self.totals)
        if at - self._minute_at >= _MINUTE_STEP_SECONDS:
            self.minute.note(at, counts, life)
            self._minute_at = at
        if self.courses is None:
            return
        values = {"ready": float(self.totals.ready), "lag": lag}
        before, seconds = self._counts, at - begin
        self._counts = counts
        if before is not None and seconds > 0:
            values["in"] = max(0.0, counts[ENQUEUED] - before[ENQUEUED]) / seconds
            values["out"] = max(0.0, out_of(counts) - out_of(before)) / seconds
            values["failed"] = max(0.0, counts[FAILED] - before[FAILED]) / seconds
        self.courses.note(begin, at, values)

    def begin_anew(self) -> None:
        """The daemon was booted anew: its counters begin at 0, and what is noted next is noted as after a gap."""
        for latency in (self.run, self.wait):
            if latency is not None:
                latency.begin_anew()

    def is_latency_due(self, at: float, step_seconds: float) -> bool:
        return self.courses is not None and at - self._latency_at >= step_seconds

    def note_latency(self, at: float, continuous_since: float) -> None:
        """Note percentiles of what ran since the last time. Costs a few microseconds for each pair in the totals."""
        assert self.courses is not None
        assert self.run is not None
        assert self.wait is not None
        begin, self._latency_at = self._latency_at, at
        values: dict[str, float] = {}
        for name, latency, histogram in (("run", self.run, self.totals.run()), ("wait", self.wait, self.totals.wait())):
            found = latency.note(at, histogram)
            for share, value in zip(("p50", "p95", "p99"), found, strict=True):
                values[f"{name}_{share}"] = nan if value is None else value
        if begin >= continuous_since:
            self.courses.note(begin, at, values)

    def latency(self, name: str) -> tuple[Percentiles, bool]:
        """Percentiles of `run` or `wait`, and whether they are of the last minute: else since the daemon's boot."""
        kept = self.run if name == "run" else self.wait
        if kept is None:
            return NOTHING, False
        return (kept.minute, True) if kept.minute.is_known else (kept.ever, False)

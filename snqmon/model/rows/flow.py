"""`FlowRow`: the figures that queues, sites and whole daemons have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.course import Span
from snqmon.model.sparkline import trend_line
from snqmon.model.track import DEAD_LETTERED, FAILED, RETRIED, ended_of, out_of

if TYPE_CHECKING:
    from snqmon.model.latency import Percentiles
    from snqmon.model.minute import Counts
    from snqmon.model.moment import Moment
    from snqmon.model.track import Track

TREND_WIDTH = 12
"""Characters of the sparkline in a table: five seconds each."""


class FlowRow:
    """None = not known. Rates and shares are of the last minute, totals since the daemon's boot."""

    def __init__(self, moment: Moment, track: Track) -> None:
        self.moment = moment
        self.track = track
        self.totals = track.totals

    @property
    def daemon(self) -> str:
        """`name@host`."""
        return self.moment.key

    @property
    def ready(self) -> int | None:
        return self.totals.ready if self.moment.is_measured else None

    @property
    def scheduled(self) -> int | None:
        return self.totals.scheduled if self.moment.is_measured else None

    @property
    def in_flight(self) -> int | None:
        return self.totals.in_flight if self.moment.is_measured else None

    @property
    def dead(self) -> int | None:
        """Dead letters that lie in the store."""
        return self.totals.dead if self.moment.is_measured else None

    @property
    def paused_items(self) -> int | None:
        """Would be ready, but for a pause."""
        return self.totals.paused if self.moment.is_measured else None

    @property
    def is_estimate(self) -> bool:
        return self.totals.estimates > 0

    @property
    def lag_seconds(self) -> float | None:
        return self.totals.lag_seconds if self.moment.is_measured else None

    @property
    def since(self) -> tuple[float, Counts] | None:
        """How many seconds ago, a minute at most, the counters stood where; None = not known yet."""
        return self.track.minute.since(self.moment.at)

    @property
    def failed(self) -> int | None:
        """Handlings that failed within the last minute."""
        return None if self.since is None else max(0, self.totals.failed - int(self.since[1][FAILED]))

    @property
    def ended(self) -> int | None:
        """Handlings that ended within the last minute, in whatever way."""
        since, totals = self.since, self.totals
        if since is None:
            return None
        ended = totals.handled + totals.failed + totals.retried + totals.discarded
        return max(0, ended - int(ended_of(since[1])))

    @property
    def out_rate(self) -> float | None:
        if self.since is None:
            return None
        totals = self.totals
        out = totals.handled + totals.discarded + totals.dead_lettered
        return max(0.0, out - out_of(self.since[1])) / self.since[0]

    @property
    def fail_rate(self) -> float | None:
        return self._rate(FAILED, self.totals.failed)

    @property
    def retry_rate(self) -> float | None:
        return self._rate(RETRIED, self.totals.retried)

    @property
    def ended_rate(self) -> float | None:
        since, ended = self.since, self.ended
        return None if since is None or ended is None else ended / since[0]

    @property
    def dead_rate(self) -> float | None:
        """Items per second that became dead letters."""
        return self._rate(DEAD_LETTERED, self.totals.dead_lettered)

    @property
    def failed_share(self) -> float | None:
        """Of the handlings that ended; None when none did."""
        ended = self.ended
        return (self.failed or 0) / ended if ended else None

    @property
    def run(self) -> tuple[Percentiles, bool]:
        """Percentiles of run times, and whether they are of the last minute (else since the daemon's boot)."""
        return self.track.latency("run")

    @property
    def wait(self) -> tuple[Percentiles, bool]:
        return self.track.latency("wait")

    def course(self, figure: str, span: Span = Span.ONE) -> list[float]:
        """60 values, the newest last; empty when no course is kept."""
        courses = self.track.courses
        return courses.values(figure, span, self.moment.now) if courses is not None else []

    def _rate(self, place: int, count: float) -> float | None:
        """By how much the counter at this place of `track` rose per second."""
        since = self.track.minute.since(self.moment.at)
        return None if since is None else max(0.0, count - since[1][place]) / since[0]

    def trend(self, figure: str = "ready", width: int = TREND_WIDTH) -> str:
        """The last minute of a figure as a sparkline."""
        return trend_line(self.course(figure), figure, width, self.moment.signs)

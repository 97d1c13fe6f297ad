"""`SiteRow`: one site of one daemon, and how much of the daemon it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.cells import Grade
from snqmon.model.pauses import site_pause
from snqmon.model.rows.flow import FlowRow
from snqmon.model.track import ENQUEUED, FAILED, HANDLED, RUN_SECONDS

if TYPE_CHECKING:
    from snqmon.model.columns import Key
    from snqmon.model.moment import Moment
    from snqmon.model.shares import Shares
    from snqmon.model.track import Track


class SiteRow(FlowRow):
    def __init__(self, moment: Moment, site: str, track: Track, shares: Shares) -> None:
        super().__init__(moment, track)
        self.site = site
        self.shares = shares

    @property
    def key(self) -> Key:
        return (self.moment.key, self.site)

    @property
    def text(self) -> str:
        return f"{self.site} {self.moment.key} {self.state}"

    @property
    def paused(self) -> str:
        """Why it is paused; empty = it is not."""
        return site_pause(self.moment.view, self.site)

    @property
    def state(self) -> str:
        """In a word; empty = as it should be."""
        return "paused" if self.paused else ""

    @property
    def in_rate(self) -> float | None:
        return self._rate(ENQUEUED, self.totals.enqueued) if self.moment.is_measured else None

    @property
    def slots(self) -> int:
        """Workers whose longest item is of this site, now."""
        return self.shares.slots.get(self.site, 0)

    @property
    def slots_share(self) -> float | None:
        """Of the running time of all sites within the last minute."""
        return self._part(RUN_SECONDS, self.totals.run_seconds)

    @property
    def handled_share(self) -> float | None:
        return self._part(HANDLED, self.totals.handled)

    @property
    def failures_share(self) -> float | None:
        return self._part(FAILED, self.totals.failed)

    @property
    def slots_share_ever(self) -> float | None:
        """Since the daemon's boot."""
        whole = self.shares.ever[RUN_SECONDS]
        return self.totals.run_seconds / whole if whole else None

    @property
    def run_seconds(self) -> float:
        """Running time since the daemon's boot."""
        return self.totals.run_seconds

    @property
    def pause_grade(self) -> Grade:
        """Paused is as somebody wants it, so it is for looking only."""
        return Grade.LOOK if self.paused else Grade.GOOD

    @property
    def lag_grade(self) -> Grade:
        return self.moment.thresholds.lag_seconds.grade(self.lag_seconds)

    @property
    def failed_grade(self) -> Grade:
        return self.moment.thresholds.failures("", self.failed, lambda: self.ended)

    @property
    def slots_grade(self) -> Grade:
        """A site that has the daemon for itself is no neighbour to anybody."""
        others_wait = self.shares.ready > self.totals.ready
        share = self.slots_share if others_wait else None
        return self.moment.thresholds.slots_share.grade(share) if share is not None else Grade.GOOD

    @property
    def grade(self) -> Grade:
        waits = Grade.LOOK if self.paused else self.lag_grade
        return waits if waits is Grade.ACT else max(waits, self.failed_grade, self.slots_grade)

    def _part(self, place: int, count: float) -> float | None:
        """Of what all sites together have of this counter within the last minute."""
        rate, whole = self._rate(place, count), self.shares.minute
        if rate is None or whole is None or not whole[place]:
            return None
        return min(1.0, rate / whole[place])

"""`DaemonRow`: one daemon as a whole."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from snqmon.model.cells import Grade
from snqmon.model.formats import duration
from snqmon.model.rows.flow import FlowRow
from snqmon.model.rows.worker import RECENT_SECONDS
from snqmon.model.thresholds import state_grade
from snqmon.model.track import ENQUEUED

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqmon.model.columns import Key
    from snqmon.model.moment import Moment


class DaemonRow(FlowRow):
    def __init__(self, moment: Moment) -> None:
        super().__init__(moment, moment.history.whole)
        self.view: DaemonView = moment.view

    @property
    def key(self) -> Key:
        return (self.moment.key,)

    @property
    def text(self) -> str:
        return f"{self.moment.key} {self.state} {self.store_words} {self.version}"

    @property
    def version(self) -> str:
        daemon = self.view.daemon
        return "" if daemon is None else daemon.version or daemon.dialect

    @property
    def up_seconds(self) -> float | None:
        daemon = self.view.daemon
        return self.moment.age(daemon.started) if daemon is not None else None

    @cached_property
    def workers_running(self) -> int:
        return sum(fact.state == "running" for fact in self.view.workers.values())

    @property
    def workers_wanted(self) -> int | None:
        daemon = self.view.daemon
        return daemon.workers_wanted if daemon is not None and not daemon.dialect else None

    @property
    def busy(self) -> int:
        return sum(fact.running > 0 for fact in self.view.workers.values())

    @cached_property
    def deaths(self) -> int:
        """Workers that died within the last ten minutes, as far as we were there."""
        since = self.moment.there - RECENT_SECONDS
        return sum(track.deaths(since) for track in self.moment.history.workers.values())

    @property
    def respawns(self) -> int:
        """Since the daemon's boot."""
        return sum(fact.respawns for fact in self.view.workers.values())

    @property
    def silence_seconds(self) -> float:
        """Age of its newest datagram."""
        return self.moment.silence_seconds

    @property
    def lost(self) -> int | None:
        """Datagrams; None = a legacy daemon does not number them."""
        return self.view.lost if self.view.is_loss_known else None

    @property
    def lost_share(self) -> float | None:
        return None if self.lost is None else self.lost / max(1, self.lost + self.view.received)

    @property
    def lag_seconds(self) -> float | None:
        """The worst of its queues."""
        if not self.moment.is_measured:
            return None
        return max((self.moment.history.lag(queue) for queue in self.moment.history.queues), default=0.0)

    @property
    def in_rate(self) -> float | None:
        return self._rate(ENQUEUED, self.totals.enqueued) if self.moment.is_measured else None

    @property
    def store_words(self) -> str:
        """`postgres 1.2ms`, `postgres away 12s`."""
        store = self.view.store
        if store is None:
            return ""
        if not store.connected:
            return f"{store.kind_of_store} away {duration(self.moment.age(store.since))}"
        return f"{store.kind_of_store} {store.round_trip_seconds * 1000:.1f}ms"

    @property
    def state(self) -> str:
        """`live`, `silent 31s`, `store away 12s`, `legacy`."""
        if self.silence_grade > Grade.GOOD:
            return f"silent {duration(self.silence_seconds)}"
        store = self.view.store
        if store is not None and not store.connected:
            return f"store away {duration(self.moment.age(store.since))}"
        if self.view.daemon is None:
            return "unknown"
        return self.view.daemon.dialect or "live"

    @property
    def alarms(self) -> int:
        return sum(fact.is_raised for fact in self.view.alarms.values())

    @property
    def silence_grade(self) -> Grade:
        return self.moment.thresholds.feed_age_seconds.grade(self.silence_seconds)

    @property
    def store_grade(self) -> Grade:
        store = self.view.store
        if store is None:
            return Grade.GOOD
        return (
            self.moment.thresholds.round_trip_seconds.grade(store.round_trip_seconds) if store.connected else Grade.ACT
        )

    @property
    def workers_grade(self) -> Grade:
        wanted = self.workers_wanted
        if wanted is None:
            return Grade.GOOD
        if wanted and not self.workers_running:
            return Grade.ACT
        worst = max((state_grade(fact) for fact in self.view.workers.values()), default=Grade.GOOD)
        return max(worst, Grade.LOOK if self.workers_running < wanted else Grade.GOOD)

    @property
    def deaths_grade(self) -> Grade:
        return self.moment.thresholds.respawns.grade(self.deaths)

    @property
    def lost_grade(self) -> Grade:
        return max(Grade.GOOD, self.moment.thresholds.lost_share.grade(self.lost_share))

    @property
    def lag_grade(self) -> Grade:
        """The worst of its queues; one that is paused may wait as long as it likes."""
        levels, history = self.moment.thresholds, self.moment.history
        if not self.moment.is_measured:
            return Grade.GOOD
        paused = {fact.queue for fact in self.view.queues.values() if fact.paused}
        grades = (levels.lag(queue, history.lag(queue)) for queue in history.queues if queue not in paused)
        return max(grades, default=Grade.GOOD)

    @property
    def failed_grade(self) -> Grade:
        return self.moment.thresholds.failures("", self.failed, lambda: self.ended)

    @property
    def state_grade(self) -> Grade:
        return max(self.silence_grade, Grade.ACT if "away" in self.state else Grade.GOOD)

    @property
    def grade(self) -> Grade:
        return max(
            self.silence_grade, self.store_grade, self.workers_grade, self.deaths_grade, self.lost_grade,
            self.lag_grade, self.failed_grade,
        )  # fmt: skip

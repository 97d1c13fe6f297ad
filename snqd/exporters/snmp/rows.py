"""Rows: what the figures of one object are read from. Made when somebody asks for them, from the daemon's view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snqd.telemetry.health import health
from snqd.telemetry.histogram import quantile, since

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AlarmFact, DaemonFact, QueueFact, StoreFact, WorkerFact
    from snqd.telemetry.health import Code, Health
    from snqd.telemetry.histogram import Sparse
    from snqd.telemetry.totals import Totals


@dataclass(slots=True)
class DaemonRow:
    """The scalars. `now` is the daemon's clock, here and below; the seconds are the agent's."""

    view: DaemonView
    fact: DaemonFact
    now: float
    clock_seconds: float
    """Of the clock that the view is folded by."""
    sequence: int
    changed_at: float
    """When a row last came or went, since the agent began."""
    workers: int
    queues: int
    site_row_limit: int
    queue_site_row_limit: int

    @property
    def health(self) -> Health:
        return health(self.view, "full", self.clock_seconds)

    @property
    def age_seconds(self) -> float:
        return self.clock_seconds - self.view.last_seen

    @property
    def sites(self) -> int:
        return len(self.view.site_totals())

    @property
    def queue_sites(self) -> int:
        return len(self.view.totals().pairs)


@dataclass(slots=True)
class WorkRow:
    """What became of items: of a site, of a queue and site, or of all."""

    label: str
    totals: Totals
    enqueued: int


@dataclass(slots=True)
class QueueRow(WorkRow):
    """The same of a queue, and what is known of it as a whole. `before`: its histograms of a while ago, by name."""

    fact: QueueFact | None
    health: Code
    before: dict[str, Sparse]
    _recent: dict[str, Sparse] = field(default_factory=dict)

    def quantile(self, which: str, share: float) -> float | None:
        """Seconds, over what came to the histogram `which` (run or wait) lately; None = nothing did."""
        recent = self._recent.get(which)
        if recent is None:
            now = self.totals.run() if which == "run" else self.totals.wait()
            recent = self._recent[which] = since(now, self.before.get(which, ()))
        return quantile(recent, share)


@dataclass(slots=True)
class WorkerRow:
    fact: WorkerFact
    now: float


@dataclass(slots=True)
class StoreRow:
    fact: StoreFact
    now: float


@dataclass(slots=True)
class AlarmRow:
    fact: AlarmFact
    now: float


@dataclass(slots=True)
class NotificationsRow:
    """What became of notifications, over all targets."""

    made: int
    suppressed: int
    sent: int
    acknowledged: int
    retried: int
    failed: int
    waiting: int


@dataclass(slots=True)
class TargetRow:
    """The same of one target."""

    label: str
    address: str
    is_inform: bool
    sent: int
    acknowledged: int
    retried: int
    failed: int
    waiting: int
    problem: str

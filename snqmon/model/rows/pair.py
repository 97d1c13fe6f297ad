"""`PairRow`: one site of one queue."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from snqmon.model.history import pair_counts
from snqmon.model.latency import NOTHING, Percentiles, percentiles

if TYPE_CHECKING:
    from snqd.telemetry.facts import DepthFact, FlowFact
    from snqd.telemetry.histogram import Sparse
    from snqmon.model.cells import Grade
    from snqmon.model.columns import Key
    from snqmon.model.minute import Counts
    from snqmon.model.moment import Moment


class PairRow:
    """Its rates are known a few seconds after somebody begins to look at its queue or its site."""

    def __init__(self, moment: Moment, queue: str, site: str) -> None:
        self.moment = moment
        self.queue, self.site = queue, site
        self.flow: FlowFact | None = moment.view.flows.get((queue, site))
        self.depth: DepthFact | None = moment.view.depths.get((queue, site))

    @property
    def key(self) -> Key:
        return (self.moment.key, self.queue, self.site)

    @property
    def daemon(self) -> str:
        return self.moment.key

    @property
    def text(self) -> str:
        return f"{self.queue} {self.site} {self.moment.key}"

    @property
    def ready(self) -> int | None:
        return self._of_depth(self.depth.ready if self.depth is not None else 0)

    @property
    def scheduled(self) -> int | None:
        return self._of_depth(self.depth.scheduled if self.depth is not None else 0)

    @property
    def in_flight(self) -> int | None:
        return self._of_depth(self.depth.in_flight if self.depth is not None else 0)

    @property
    def dead(self) -> int | None:
        return self._of_depth(self.depth.dead if self.depth is not None else 0)

    @property
    def is_estimate(self) -> bool:
        return self.depth is not None and self.depth.is_estimate

    @property
    def lag_seconds(self) -> float | None:
        if not self.moment.is_measured:
            return None
        return self.depth.lag_seconds if self.depth is not None else 0.0

    @property
    def handled(self) -> int:
        """Since the daemon's boot."""
        return self.flow.handled if self.flow is not None else 0

    @property
    def failed(self) -> int:
        return self.flow.failed if self.flow is not None else 0

    @property
    def run_seconds(self) -> float:
        return self.flow.run_seconds if self.flow is not None else 0.0

    @property
    def run(self) -> Percentiles:
        """Since the daemon's boot."""
        histogram: Sparse = self.flow.run if self.flow is not None else ()
        return percentiles(histogram) if histogram else NOTHING

    @cached_property
    def rates(self) -> Counts | None:
        """Handled, failed, retried, discarded, and running seconds per second."""
        minute = self.moment.history.pairs.get((self.queue, self.site))
        if minute is None or self.flow is None:
            return None
        return minute.rates(self.moment.at, pair_counts(self.flow))

    @property
    def out_rate(self) -> float | None:
        return None if self.rates is None else self.rates[0]

    @property
    def fail_rate(self) -> float | None:
        return None if self.rates is None else self.rates[1]

    @property
    def lag_grade(self) -> Grade:
        return self.moment.thresholds.lag(self.queue, self.lag_seconds)

    @property
    def grade(self) -> Grade:
        return self.lag_grade

    def _of_depth(self, number: int) -> int | None:
        return number if self.moment.is_measured else None

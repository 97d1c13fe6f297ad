"""`QueueRow`: one queue of one daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.rows.flow import FlowRow
from snqmon.model.thresholds import service_grade

if TYPE_CHECKING:
    from snqd.telemetry.facts import QueueFact
    from snqmon.model.cells import Grade
    from snqmon.model.columns import Key
    from snqmon.model.moment import Moment
    from snqmon.model.track import Track


class QueueRow(FlowRow):
    def __init__(self, moment: Moment, queue: str, track: Track, fact: QueueFact | None) -> None:
        super().__init__(moment, track)
        self.queue = queue
        self.fact = fact

    @property
    def key(self) -> Key:
        return (self.moment.key, self.queue)

    @property
    def text(self) -> str:
        return f"{self.queue} {self.moment.key} {self.state}"

    @property
    def lag_seconds(self) -> float | None:
        return self.moment.history.lag(self.queue) if self.moment.is_measured else None

    @property
    def in_rate(self) -> float | None:
        return self.fact.in_per_second if self.fact is not None else None

    @property
    def out_rate(self) -> float | None:
        return self.fact.out_per_second if self.fact is not None else super().out_rate

    @property
    def drain_seconds(self) -> float | None:
        """Until nothing is ready; -1 = never, at these rates."""
        return self.fact.drain_seconds if self.fact is not None else None

    @property
    def is_growing(self) -> bool:
        return self.fact is not None and self.fact.is_growing

    @property
    def workers(self) -> int | None:
        return self.fact.workers if self.fact is not None else None

    @property
    def has_handler(self) -> bool:
        return self.fact is None or self.fact.has_handler

    @property
    def paused(self) -> str:
        """Why it is paused; empty = it is not."""
        return self.fact.paused if self.fact is not None else ""

    @property
    def state(self) -> str:
        """In a word or two; empty = as it should be."""
        if self.fact is None:
            return ""
        if self.fact.paused:
            return "paused"
        if not self.fact.workers and not self.moment.view.is_complete:
            return ""
        if not self.fact.workers:
            return "no worker" if self.fact.has_handler else "no handler"
        return ""

    @property
    def lag_grade(self) -> Grade:
        return self.moment.thresholds.lag(self.queue, self.lag_seconds)

    @property
    def ready_grade(self) -> Grade:
        return self.moment.thresholds.backlog(self.queue, self.ready)

    @property
    def failed_grade(self) -> Grade:
        return self.moment.thresholds.failures(self.queue, self.failed, lambda: self.ended)

    @property
    def state_grade(self) -> Grade:
        return service_grade(self.fact, self.totals.ready)

    @property
    def grade(self) -> Grade:
        """A paused queue may wait as long as it likes."""
        if self.paused:
            return max(self.failed_grade, self.state_grade)
        return max(self.lag_grade, self.ready_grade, self.failed_grade, self.state_grade)

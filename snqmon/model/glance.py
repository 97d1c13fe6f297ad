"""`Glance`: what the first screen answers without a key press.

Is it up? Is it keeping up? Is it failing? What is the worst thing right now? Can I trust this screen?
"""

from __future__ import annotations

from functools import cached_property
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.words import plural
from snqmon.feeds.base import Trust
from snqmon.model import formats
from snqmon.model.cells import Grade
from snqmon.model.course import Span
from snqmon.model.fleet_totals import FleetTotals, fleet_course, fleet_totals
from snqmon.model.troubles import Trouble, troubles

if TYPE_CHECKING:
    from snqmon.model.columns import Key
    from snqmon.model.rows import EventRow, QueueRow, WorkerRow
    from snqmon.model.world import World

TRUST_GRADES = {
    Trust.WAITING: Grade.DIM,
    Trust.LIVE: Grade.GOOD,
    Trust.PARTLY: Grade.LOOK,
    Trust.STALE: Grade.ACT,
    Trust.PAUSED: Grade.LOOK,
    Trust.REPLAY: Grade.GOOD,
    Trust.ENDED: Grade.LOOK,
    Trust.DEMO: Grade.GOOD,
}
_BAD_ENDS = frozenset({"ItemFailed", "ItemDeadLettered", "ItemCrashed", "WorkerCrashed", "WorkerExited"})


class Answer(NamedTuple):
    question: str
    words: str
    grade: Grade
    key: str = ""
    """The id of the key (`keys.py`) that leads to more; empty = there is none."""
    row: Key | None = None
    """The row there."""


class Glance:
    """Answers of one moment, made when somebody asks for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.daemons = world.daemons()

    @cached_property
    def totals(self) -> FleetTotals:
        return fleet_totals(self.daemons)

    @cached_property
    def troubles(self) -> list[Trouble]:
        """The worst first."""
        return troubles(self._world)

    @property
    def title(self) -> str:
        """`main@host1`, or `3 daemons`."""
        if not self.daemons:
            return "no daemon"
        return self.daemons[0].daemon if len(self.daemons) == 1 else plural(len(self.daemons), "daemon")

    @property
    def answers(self) -> tuple[Answer, ...]:
        """In the order in which they are read."""
        return self.up, self.pace, self.failing, self.worst, self.trust

    @cached_property
    def up(self) -> Answer:
        rows, totals = self.daemons, self.totals
        question = "Is it up?"
        if not rows:
            return Answer(question, "nothing is known yet", Grade.DIM)
        grade = max(max(row.workers_grade, row.deaths_grade, row.silence_grade) for row in rows)
        workers = f"workers {totals.running}/{totals.wanted}"
        died = f", {totals.deaths} died within 10 min" if totals.deaths else ""
        if len(rows) == 1:
            since = f"up {formats.uptime(rows[0].up_seconds)}"
            start = since if rows[0].silence_grade < Grade.ACT else rows[0].state
        else:
            live = sum(row.silence_grade < Grade.ACT for row in rows)
            start = f"{live} of {plural(len(rows), 'daemon')} live"
        return Answer(question, f"{start}, {workers}{died}", grade, "workers")

    @cached_property
    def pace(self) -> Answer:
        question = "Is it keeping up?"
        totals, moving = self.totals, [row for row in self._world.queues() if not row.paused]
        if not self._world.queues():
            return Answer(question, "no queue is known yet", Grade.DIM, "queues")
        grade = max((max(row.lag_grade, row.ready_grade, row.state_grade) for row in moving), default=Grade.LOOK)
        worst = max(moving, key=lambda row: row.lag_seconds or 0.0, default=None)
        ready = f"{formats.count(totals.ready, is_estimate=totals.is_estimate)} ready"
        if totals.paused:
            ready += f", {formats.count(totals.paused, is_estimate=totals.is_estimate)} paused"
        rates = f"in {formats.rate(totals.in_rate)}/s, out {formats.rate(totals.out_rate)}/s"
        if worst is None or not worst.lag_seconds:
            return Answer(question, f"{ready}; {rates}", grade, "queues")
        lag = f"worst lag {formats.duration(worst.lag_seconds)} in {worst.queue}"
        return Answer(question, f"{ready}, {lag}; {rates}", grade, "queues", worst.key)

    @cached_property
    def failing(self) -> Answer:
        totals, queues = self.totals, self._world.queues()
        grade = max((row.failed_grade for row in queues), default=Grade.DIM)
        parts = [f"{formats.rate(totals.fail_rate)}/s fail"]
        if totals.failed_share:
            parts[0] += f" ({formats.share(totals.failed_share)})"
        dead = plural(totals.dead, "dead letter") if totals.dead is not None else "dead letters not known"
        parts.append(dead + (f" (+{formats.rate(totals.dead_rate)}/s)" if totals.dead_rate else ""))
        last = self.last_failure
        if last is not None:
            age = formats.duration(self._age(last))
            parts.append(f"last {age} ago: {_error_of(last)}")
        return Answer("Is it failing?", ", ".join(parts), grade, "events", last.key if last is not None else None)

    @cached_property
    def worst(self) -> Answer:
        question = "What is worst?"
        if not self.daemons:
            return Answer(question, "nothing is known yet", Grade.DIM)
        if not self.troubles:
            return Answer(question, "nothing is in trouble", Grade.GOOD)
        worst = self.troubles[0]
        more = len(self.troubles) - 1
        also = f" (and {more} more)" if more else ""
        return Answer(question, worst.sentence + also, worst.grade, worst.screen, worst.row)

    @cached_property
    def trust(self) -> Answer:
        status = self._world.status
        doubts = list(self.doubts)
        grade = max(TRUST_GRADES[status.trust], max((row.lost_grade for row in self.daemons), default=Grade.DIM))
        return Answer("Can I trust this?", ", ".join([status.words, *doubts]), grade)

    @property
    def doubts(self) -> list[str]:
        """What makes the figures doubtful, in words; the number of lost datagrams is always told."""
        lost = sum(row.lost or 0 for row in self.daemons)
        views = [row.view for row in self.daemons]
        said = [f"lost {formats.count(lost)}"]
        if self.totals.is_estimate:
            said.append("depths with ~ are estimates")
        if any(not view.is_complete for view in views):
            said.append("facts are still coming in")
        if refused := sum(view.refused for view in views) + self._world.feed.fleet.refused:
            said.append(f"{plural(refused, 'fact')} had no room here")
        if unknown := sum(view.unknown for view in views):
            said.append(f"{plural(unknown, 'fact')} of another version passed over")
        if any(not row.moment.is_measured for row in self.daemons):
            said.append("legacy daemons tell neither depths nor lags")
        return said

    @cached_property
    def last_failure(self) -> EventRow | None:
        """The latest event that says that something ended badly."""
        for row in reversed(self._world.events()):
            if row.name in _BAD_ENDS and not row.fact.fields.get("expected"):
                return row
        return None

    def course(self, figure: str, span: Span = Span.ONE) -> list[float]:
        """`in`, `out`, `failed`, `ready` or `lag` of all daemons together: 60 values, the newest last."""
        return fleet_course(self.daemons, figure, span)

    def worst_queues(self, most: int) -> list[QueueRow]:
        """In trouble first, then by lag and depth."""
        rows = self._world.queues()
        return nsmallest(most, rows, key=lambda row: (-row.grade, -(row.lag_seconds or 0.0), -(row.ready or 0)))

    def worst_workers(self, most: int) -> list[WorkerRow]:
        """In trouble first, then those that run an item, longest first."""
        rows = self._world.workers()
        return nsmallest(most, rows, key=lambda row: (-row.grade, not row.fact.running, -(row.since_seconds or 0.0)))

    def _age(self, event: EventRow) -> float | None:
        moment = self._world.moments.get(event.daemon)
        return moment.age(event.at) if moment is not None else None


def _error_of(event: EventRow) -> str:
    where = event.queue or event.worker
    text = formats.one_line(str(event.fact.fields.get("error") or event.fact.fields.get("reason") or event.message))
    return f"{formats.cut(text, 80)}" + (f" ({where})" if where else "")

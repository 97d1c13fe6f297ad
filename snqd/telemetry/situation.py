"""`Situation`: what is known of one queue, or one site of it, when somebody asks why it does not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.words import command, duration_words, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import DepthFact, EventFact, FlowFact, QueueFact, WorkerFact

RECENT_SECONDS = 300.0
"""How old an event may be to say something about now."""
_OLD_COUNT_SECONDS = 15.0
_ERROR_WIDTH = 160
_FAILURES = frozenset({"ItemFailed", "ItemDeadLettered", "ItemCrashed"})


class Waiting(NamedTuple):
    """Sums of what the store holds."""

    ready: int
    scheduled: int
    in_flight: int
    lag_seconds: float
    is_estimate: bool
    at: float
    """When the oldest of these numbers was had; 0 = there are none."""
    paused: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.ready or self.scheduled or self.in_flight or self.paused)


class Situation:
    """Everything is looked up once. `site` None = the queue as a whole."""

    def __init__(self, view: DaemonView, queue: str, site: str | None, now: float) -> None:
        self.view, self.queue, self.site = view, queue, site
        self.heard_seconds = max(0.0, now - view.last_seen)
        """Age of the last word of the daemon."""
        self.there = view.sent_at + self.heard_seconds
        """The time by the daemon's clock."""
        self.fact: QueueFact | None = next((fact for fact in view.queues.values() if fact.queue == queue), None)
        self.waiting = _sum(self.depths())
        workers = list(view.workers.values())
        self.workers = workers
        self.living = [worker for worker in workers if worker.state == "running"]
        self.busy = [worker for worker in self.living if worker.running or worker.phase == "handling"]
        self.standby = [worker for worker in self.living if worker.phase == "standby"]
        self.idle = [worker for worker in workers if is_idle(worker)]

    @property
    def is_known(self) -> bool:
        return self.fact is not None or any(True for _ in self.depths()) or any(True for _ in self.flows())

    @property
    def name(self) -> str:
        """`queue mail`, or `queue mail (site a.example)`."""
        return f"queue {self.queue}" + (f" (site {self.site})" if self.site is not None else "")

    @property
    def daemon_pid(self) -> str:
        return str(self.view.daemon.pid) if self.view.daemon is not None else "PID"

    @property
    def moves_per_second(self) -> float:
        """Of the whole queue: there are no rates of its sites."""
        return self.fact.out_per_second if self.fact is not None else 0.0

    @property
    def lag_seconds(self) -> float:
        """As last heard: the store is asked for that of a whole queue more often."""
        of_queue = self.fact.lag_seconds if self.fact is not None and self.site is None else 0.0
        return max(self.waiting.lag_seconds, of_queue)

    def depths(self) -> Iterator[DepthFact]:
        return (fact for fact in self.view.depths.values() if self._is_ours(fact))

    def flows(self) -> Iterator[FlowFact]:
        return (fact for fact in self.view.flows.values() if self._is_ours(fact))

    def _is_ours(self, fact: DepthFact | FlowFact) -> bool:
        return fact.queue == self.queue and self.site in (None, fact.site)

    def counted(self, count: int, noun: str = "item") -> str:
        """`12 items`, `about 1,200,000 items`, and the age of the number when it is old."""
        return ("about " if self.waiting.is_estimate else "") + plural(count, noun)

    @property
    def caveat(self) -> str:
        """What makes the numbers doubtful; empty = nothing."""
        age = self.there - self.waiting.at if self.waiting.at else 0.0
        return f" (counted {duration_words(age)} ago)" if age > _OLD_COUNT_SECONDS else ""

    def events(self, names: frozenset[str], *, within_seconds: float = RECENT_SECONDS) -> Iterator[EventFact]:
        """The newest first."""
        for event in reversed(self.view.events):
            if event.name in names and self.is_recent(event, within_seconds):
                yield event

    def is_recent(self, event: EventFact, seconds: float) -> bool:
        return self.there - event.at <= seconds

    def failures(self) -> list[EventFact]:
        """Recent handlings of these items that ended badly, the newest first."""
        return [
            event
            for event in self.events(_FAILURES)
            if event.fields.get("queue") == self.queue and self.site in (None, event.fields.get("site"))
        ]

    def has_alarm(self, name: str) -> bool:
        """Whether this alarm of the queue is raised."""
        found = (fact for fact in self.view.alarms.values() if fact.name == name and fact.subject == self.queue)
        return any(fact.is_raised for fact in found)

    def snqd(self, *words: str) -> str:
        """A command that is about these items."""
        narrowed = ["--queue", self.queue, *(["--site", self.site] if self.site is not None else [])]
        return command("snqd", *words, *narrowed)

    def kill(self, signal: str) -> str:
        return f"kill -{signal} {self.daemon_pid}"


def is_idle(worker: WorkerFact) -> bool:
    """Whether a worker is there and has nothing to do."""
    return worker.state == "running" and not worker.running and worker.phase in ("idle", "claiming")


def error_of(event: EventFact) -> str:
    """The first line of what went wrong."""
    text = str(event.fields.get("error") or event.message).strip().split("\n", 1)[0]
    return text if len(text) <= _ERROR_WIDTH else text[: _ERROR_WIDTH - 1] + "…"


def states_of(workers: Iterable[WorkerFact]) -> str:
    """`2 fatal, 1 starting`."""
    counts: dict[str, int] = {}
    for worker in workers:
        counts[worker.state] = counts.get(worker.state, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _sum(depths: Iterable[DepthFact]) -> Waiting:
    ready = scheduled = in_flight = paused = 0
    lag, is_estimate, at = 0.0, False, 0.0
    for fact in depths:
        ready += fact.ready
        scheduled += fact.scheduled
        in_flight += fact.in_flight
        paused += fact.paused
        lag = max(lag, fact.lag_seconds)
        is_estimate = is_estimate or fact.is_estimate
        at = min(at, fact.at) if at else fact.at
    return Waiting(ready, scheduled, in_flight, lag, is_estimate, at, paused)

"""The figures that alarms judge, taken from a view of the daemon once a second, with the little past that they need.

The work is per queue and per worker, never per site: ten thousand sites cost nothing here.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry import alarm_words as words
from snqd.telemetry.pauses import covering
from snqd.telemetry.situation import is_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import ConnectionFact, MemoryFact, QueueFact, ScheduleFact, StoreFact, WorkerFact
    from snqd.telemetry.rules import AlarmRules
    from snqd.telemetry.totals import Totals

FAILURE_WINDOW_SECONDS = 300.0
FAILURE_SAMPLE = 20
"""Handlings within the window below which a ratio says too little to raise an alarm; one that is raised stays."""
MINUTE = 60.0
_STEPS = 60
_FORGET_SECONDS = 3600.0
_BARELY_NOT = math.nextafter(1.0, 0.0)
_CANARY_SITE = "default"
"""The site of every canary."""
_NEEDS_STORE = frozenset({"lag", "stalled", "no_handler", "canary", "schedule"})


class Figure(NamedTuple):
    """One thing that can be an alarm."""

    name: str
    subject: str
    value: float
    threshold: float
    strain: float
    """The figure in units of the threshold; 1 and more is bad."""
    words: Callable[[], str]


class Found(NamedTuple):
    """What one look found."""

    figures: list[Figure]
    unknown: frozenset[str]
    """Names of alarms that cannot be judged now."""


class Recent(NamedTuple):
    """Of one queue, within the last `FAILURE_WINDOW_SECONDS`."""

    failed: int = 0
    handlings: int = 0


class Window:
    """By how much a counter rose within the last `seconds`, from at most a few dozen samples of it."""

    __slots__ = ("_samples", "_seconds", "_step")

    def __init__(self, seconds: float, base: int, now: float) -> None:
        self._seconds, self._step = seconds, seconds / _STEPS
        self._samples = deque(((now, base),))

    def rise(self, count: int, now: float) -> int:
        """`now` never goes back. A counter that does (a new daemon behind the same name) begins anew."""
        samples = self._samples
        if count < samples[-1][1]:
            samples.clear()
            samples.append((now, count))
        elif now - samples[-1][0] >= self._step:
            samples.append((now, count))
        while len(samples) > 1 and samples[1][0] <= now - self._seconds:
            samples.popleft()
        return count - samples[0][1]


class _Past:
    """What is remembered of one queue."""

    __slots__ = ("claimed", "dead", "failed", "handlings", "idle_seconds", "recent", "seen", "unserved_seconds")

    def __init__(self, totals: Totals | None, now: float) -> None:
        """`totals` as they are now: what happened before is not ours to judge. None: all of it is news."""
        self.failed = Window(FAILURE_WINDOW_SECONDS, totals.failed if totals else 0, now)
        self.handlings = Window(FAILURE_WINDOW_SECONDS, _handlings(totals) if totals else 0, now)
        self.recent = Recent()
        self.dead = Window(MINUTE, totals.dead_lettered if totals else 0, now)
        self.claimed = totals.claimed if totals else 0
        self.idle_seconds = 0.0
        """For how long items were ready beside an idle worker since something was claimed."""
        self.unserved_seconds = 0.0
        self.seen = now


class _Crew(NamedTuple):
    """The workers, counted once per look."""

    idle: int
    fatal: list[WorkerFact]


class Figures:
    """Takes the figures. Remembers a bounded past of each queue."""

    def __init__(self) -> None:
        self._queues: dict[str, _Past] = {}
        self._canaries: dict[str, float] = {}
        """Since when (epoch) a canary has been awaited."""
        self._deaths = 0
        self._deaths_window = Window(MINUTE, 0, 0.0)
        self._recent_window = Window(FAILURE_WINDOW_SECONDS, 0, 0.0)
        self.recent_deaths = 0
        """Workers that died within `FAILURE_WINDOW_SECONDS`, as of the last look."""
        self._last_event = 0
        self._elapsed: float | None = None

    def of(self, view: DaemonView, rules: AlarmRules, *, now: float, elapsed: float) -> Found:
        """`now`: epoch seconds by the daemon's clock; `elapsed`: seconds that never go back."""
        is_blind = view.store is not None and not view.store.connected
        step = 0.0 if self._elapsed is None or is_blind else elapsed - self._elapsed
        crew = _count(view.workers.values())
        figures: list[Figure] = []
        figures += _store(view.store, rules, now)
        figures += self._respawns(view, rules, elapsed)
        figures += (_fatal(worker) for worker in crew.fatal)
        totals = view.queue_totals()
        served = {fact.queue: fact for fact in view.queues.values()}
        for queue, each in totals.items():
            past = self._past(queue, each, elapsed)
            figures += _flow(queue, each, past, rules, elapsed)
            if not is_blind:
                figures += _backlog(queue, each, served.get(queue), past, rules, crew.idle, step)
        if not is_blind:
            figures += self._canary(view, served, rules, now)
            figures += _schedules(view.schedules.values(), rules)
        figures += _memory(view.memory.values(), rules)
        figures += _connections(view.connections.values(), rules, now)
        self._elapsed = elapsed
        self._forget(elapsed)
        return Found(figures, _NEEDS_STORE if is_blind else frozenset())

    def recent(self, queue: str) -> Recent:
        """What became of a queue's items lately, as of the last look."""
        past = self._queues.get(queue)
        return past.recent if past is not None else Recent()

    def _past(self, queue: str, totals: Totals, elapsed: float) -> _Past:
        """A queue that was not there at the first look has just begun: all that it counted is news."""
        past = self._queues.get(queue)
        if past is None:
            is_first_look = self._elapsed is None
            past = self._queues[queue] = _Past(totals if is_first_look else None, elapsed)
        past.seen = elapsed
        return past

    def _forget(self, elapsed: float) -> None:
        if gone := [queue for queue, past in self._queues.items() if elapsed - past.seen > _FORGET_SECONDS]:
            for queue in gone:
                del self._queues[queue]

    def _respawns(self, view: DaemonView, rules: AlarmRules, elapsed: float) -> Iterable[Figure]:
        """From the events, since only they tell deaths from workers that were replaced on purpose."""
        newest = self._last_event
        for event in reversed(view.events):
            if event.number <= self._last_event:
                break
            newest = max(newest, event.number)
            if event.name == "WorkerExited" and not event.fields.get("expected"):
                self._deaths += 1
        self._last_event = newest
        rate = self._deaths_window.rise(self._deaths, elapsed)
        self.recent_deaths = self._recent_window.rise(self._deaths, elapsed)
        if limit := rules.respawns_per_minute:
            yield Figure("respawns", view.name, rate, limit, rate / limit, lambda: words.respawns(rate, limit))

    def _canary(
        self, view: DaemonView, served: Mapping[str, QueueFact], rules: AlarmRules, now: float
    ) -> Iterable[Figure]:
        """A canary is awaited from when it was sent; nobody can bring it back while the store is away."""
        limit = rules.canary_seconds
        store_since = view.store.since if view.store is not None else 0.0
        awaited: dict[str, float] = {}
        for fact in view.canaries.values():
            queue = served.get(fact.queue)
            if not limit or fact.last_returned >= fact.last_sent:
                continue
            if (queue is not None and queue.paused) or covering(view.pauses.values(), fact.queue, _CANARY_SITE):
                awaited[fact.queue] = now
                continue
            since = max(self._canaries.get(fact.queue, fact.last_sent), fact.last_returned, store_since)
            awaited[fact.queue] = since
            seconds = max(0.0, now - since)
            name = fact.queue
            yield Figure("canary", name, seconds, limit, seconds / limit, _canary_words(name, seconds, limit))
        self._canaries = awaited


def _canary_words(queue: str, seconds: float, limit: float) -> Callable[[], str]:
    return lambda: words.canary(queue, seconds, limit)


def _handlings(totals: Totals) -> int:
    return totals.handled + totals.failed + totals.retried + totals.discarded


def _count(workers: Iterable[WorkerFact]) -> _Crew:
    idle, fatal = 0, []
    for worker in workers:
        idle += is_idle(worker)
        if worker.state == "fatal":
            fatal.append(worker)
    return _Crew(idle, fatal)


def _fatal(worker: WorkerFact) -> Figure:
    return Figure("fatal", worker.worker, 1.0, 1.0, 1.0, lambda: words.fatal(worker.worker, worker.exit_reason))


def _store(store: StoreFact | None, rules: AlarmRules, now: float) -> Iterable[Figure]:
    limit = rules.store_seconds
    if store is None or not limit:
        return
    seconds = 0.0 if store.connected else max(0.0, now - store.since)
    subject = store.kind_of_store
    yield Figure("store", subject, seconds, limit, seconds / limit, lambda: words.store(seconds, limit, store.problem))


def _flow(queue: str, totals: Totals, past: _Past, rules: AlarmRules, elapsed: float) -> Iterable[Figure]:
    """What becomes of the items that are handled."""
    failed = past.failed.rise(totals.failed, elapsed)
    handlings = past.handlings.rise(_handlings(totals), elapsed)
    past.recent = Recent(failed, handlings)
    dead = past.dead.rise(totals.dead_lettered, elapsed)
    if limit := rules.failure_ratio_of(queue):
        ratio = min(1.0, failed / handlings) if handlings > 0 else 0.0
        strain = ratio / limit if handlings >= FAILURE_SAMPLE else min(_BARELY_NOT, ratio / limit)
        yield Figure("failures", queue, ratio, limit, strain, lambda: words.failures(queue, failed, handlings, limit))
    if rate := rules.dead_letters_per_minute:
        yield Figure("dead_letters", queue, dead, rate, dead / rate, lambda: words.dead_letters(queue, dead, rate))


def _backlog(
    queue: str,
    totals: Totals,
    fact: QueueFact | None,
    past: _Past,
    rules: AlarmRules,
    idle: int,
    step: float,
) -> Iterable[Figure]:
    """What becomes of the items that wait. A paused queue may wait as long as it likes; one that a limit holds back is
    late then, but not stalled.
    """
    ready = 0 if fact is not None and fact.paused else totals.ready
    lag = totals.lag_seconds if ready else 0.0
    could_take = idle if fact is not None and fact.workers and not fact.held_back else 0
    stalled = _idle_beside_ready(totals, past, ready, could_take, step)
    unserved = _unserved(totals, past, ready, fact, step)
    if limit := rules.lag_of(queue):
        yield Figure("lag", queue, lag, limit, lag / limit, lambda: words.lag(queue, ready, lag, limit))
    # The oldest item has not waited longer than its age: younger ones mean that others take items from this queue.
    if still := rules.stalled_seconds:
        value = min(stalled, lag)
        yield Figure(
            "stalled", queue, value, still, value / still, lambda: words.stalled(queue, ready, idle, value, still)
        )
    if wait := rules.no_handler_seconds:
        waited = min(unserved, lag)
        has_handler = fact is not None and fact.has_handler
        yield Figure(
            "no_handler", queue, waited, wait, waited / wait,
            lambda: words.no_handler(queue, ready, waited, wait, has_handler=has_handler),
        )  # fmt: skip


def _idle_beside_ready(totals: Totals, past: _Past, ready: int, idle: int, step: float) -> float:
    """Counts only the time in which a worker was seen idle: one that is busy elsewhere does not stall this queue."""
    if totals.claimed != past.claimed or not ready:
        past.idle_seconds = 0.0
        past.claimed = totals.claimed
    elif idle:
        past.idle_seconds += step
    return past.idle_seconds


def _unserved(totals: Totals, past: _Past, ready: int, fact: QueueFact | None, step: float) -> float:
    """For how long items were ready that nobody takes: neither we nor, as far as the store shows, another daemon."""
    is_unserved = ready > 0 and totals.in_flight == 0 and fact is not None and fact.workers == 0
    past.unserved_seconds = past.unserved_seconds + step if is_unserved else 0.0
    return past.unserved_seconds


def _memory(facts: Iterable[MemoryFact], rules: AlarmRules) -> Iterable[Figure]:
    """Per worker: when it reaches its limit. Here the small figure is the bad one, and one that is far is none."""
    limit = rules.memory_seconds
    far = limit / rules.clear_share
    worst: dict[str, MemoryFact] = {}
    for fact in facts:
        if 0 <= fact.limit_in_seconds <= far:
            known = worst.get(fact.worker)
            if known is None or fact.grown_bytes > known.grown_bytes:
                worst[fact.worker] = fact
    for fact in worst.values() if limit else ():
        yield _memory_figure(fact, limit)


def _connections(facts: Iterable[ConnectionFact], rules: AlarmRules, now: float) -> Iterable[Figure]:
    """Per service: how long the one that has been away longest has been. A server that is down takes many with it."""
    away: dict[str, list[ConnectionFact]] = {}
    for fact in facts:
        away.setdefault(fact.service, [])
        if fact.state in ("connecting", "backing off"):
            away[fact.service].append(fact)
    limit = rules.connection_seconds
    for service, gone in away.items() if limit else ():
        seconds = max((max(0.0, now - fact.since) for fact in gone), default=0.0)
        oldest = min(gone, key=lambda fact: fact.since, default=None)
        yield Figure(
            "connection", service, seconds, limit, seconds / limit,
            partial(words.connection, service, oldest, len(gone), seconds, limit),
        )  # fmt: skip


def _schedules(facts: Iterable[ScheduleFact], rules: AlarmRules) -> Iterable[Figure]:
    """As old as the store said: a due time on which somebody has acted meanwhile is not to grow older here."""
    limit = rules.schedule_seconds
    for fact in facts if limit else ():
        seconds = fact.overdue_seconds
        yield Figure(
            "schedule", fact.name, seconds, limit, seconds / limit, partial(words.schedule, fact, seconds, limit)
        )


def _memory_figure(fact: MemoryFact, limit: float) -> Figure:
    seconds = fact.limit_in_seconds
    strain = limit / seconds if seconds > 0 else math.inf
    return Figure("memory", fact.worker, seconds, limit, strain, lambda: words.memory(fact, limit))

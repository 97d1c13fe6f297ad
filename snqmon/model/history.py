"""`Histories`: what the monitor remembers of the past, for every daemon, in bounded memory and bounded time.

Everything is noted once a second, when datagrams of the daemon have come, and by the receiver's clock. Counters are
read when the picture is complete: what is added while a fleet is told for the first time is no rate.

Costs are bounded: the first `MOST_COURSES` queues and sites, and what is opened, have courses; other sites have their
counters noted every ten seconds, a part of them each second. Percentiles need the histograms of all pairs in a queue or
a site, so at most `PAIRS_A_SECOND` are added up; where there are more, percentiles come less often.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from snqd.telemetry.totals import Totals
from snqmon.model.minute import Minute
from snqmon.model.track import Track
from snqmon.model.worker_track import LIFE, WorkerTrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import FlowFact
    from snqd.telemetry.fleet import Fleet
    from snqd.telemetry.tables import Pair
    from snqmon.model.course import Courses
    from snqmon.model.minute import Counts

MOST_COURSES: Final = 600
"""Queues and sites, of all daemons together, that have courses without being opened; each takes some 10 KiB."""
MOST_WORKERS: Final = 600
MOST_OPENED: Final = 32
PAIRS_A_SECOND: Final = 3_000
GAP_SECONDS: Final = 3.0
"""A daemon says everything once a second: after this long without a datagram there is a gap."""
FADE_SECONDS: Final = 60.0
"""Workers that vanished are shown for this long."""
_INCOMPLETE_SECONDS: Final = 10.0
_SITE_ROUND: Final = 10
"""Seconds in which every site without courses is noted once."""
_SITE_LATENCY_SECONDS: Final = 4.5
_WATCH_SECONDS: Final = 15.0
_MOST_PAIRS: Final = 500
_NEVER: Final = -1e9


class Budget:
    """How many courses there may be."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def take(self) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def give_back(self) -> None:
        self.left += 1


class DaemonHistory:
    """The past of one daemon."""

    def __init__(self, view: DaemonView, flows: Budget, workers: Budget) -> None:
        self.view = view
        self.whole = Track(view.totals(), has_courses=True)
        self.queues: dict[str, Track] = {}
        self.sites: dict[str, Track] = {}
        self.workers: dict[str, WorkerTrack] = {}
        """With those that vanished a short while ago."""
        self.pairs: dict[Pair, Minute] = {}
        """Handled, failed, retried, discarded, and run seconds of the pairs that are watched."""
        self._flow_budget, self._worker_budget = flows, workers
        self._opened: OrderedDict[tuple[str, str], Track] = OrderedDict()
        self._watched: dict[tuple[str | None, str | None], float] = {}
        self._turns: deque[tuple[Track, float]] = deque()
        self._boot = view.boot
        self._noted_at = self._continuous_since = _NEVER
        self._received = 0
        self._incomplete_since: float | None = None
        self._site_turn = 0
        self._events = 0
        self._pairs_left = PAIRS_A_SECOND

    def observe(self, now: float) -> None:
        """Look at the daemon; nothing is noted more than once a second."""
        self._look_at_workers(now)
        self._look_at_events()
        self._look_at_flows()
        view = self.view
        at = view.last_seen
        if int(at) == int(self._noted_at) or not self._is_whole(at):
            return
        begin = self._begin(at)
        if view.boot != self._boot:
            self._begin_anew()
            begin = at
        self._noted_at, self._received = at, view.received
        self._note(begin, at)

    def open(self, kind: str, name: str) -> Courses | None:
        """The courses of a queue, a site or a worker, which are kept from now on if they were not; None = unknown."""
        if kind == "workers":
            worker = self.workers.get(name)
            if worker is not None:
                worker.open()
            return worker.courses if worker is not None else None
        track = (self.queues if kind == "queues" else self.sites).get(name)
        if track is None:
            return None
        if track.courses is None:
            track.open()
            self._turns.append((track, _SITE_LATENCY_SECONDS))
            self._opened[kind, name] = track
            if len(self._opened) > MOST_OPENED:
                _key, oldest = self._opened.popitem(last=False)
                self._take_turn_away(oldest)
                oldest.close()
        return track.courses

    def watch(self, queue: str | None, site: str | None) -> None:
        """Somebody looks at the pairs of a queue or a site: their rates are noted for a while."""
        self._watched[queue, site] = self._noted_at

    def reset_peaks(self) -> None:
        for track in self._tracks():
            if track.courses is not None:
                track.courses.reset_peaks()

    def close(self) -> None:
        """Give back what the courses took of the budget."""
        for track in (*self.queues.values(), *self.sites.values()):
            self._release(track)
        for worker in self.workers.values():
            self._release_worker(worker)

    def _tracks(self) -> Iterator[Track | WorkerTrack]:
        yield self.whole
        yield from self.queues.values()
        yield from self.sites.values()
        yield from self.workers.values()

    def _is_whole(self, at: float) -> bool:
        """Whether the picture is complete, or has been incomplete for so long that it will not get better."""
        if self.view.is_complete:
            self._incomplete_since = None
            return True
        if self._incomplete_since is None:
            self._incomplete_since = at
        return at - self._incomplete_since >= _INCOMPLETE_SECONDS

    def _begin(self, at: float) -> float:
        """Since when what is noted `at` holds. `at` itself after a gap, which is told by how few datagrams came: a
        recording that is played fast is seen in long steps, and has none."""
        seconds = at - self._noted_at
        came = self.view.received - self._received
        if seconds > GAP_SECONDS and came * GAP_SECONDS < seconds:
            self._continuous_since = at
            return at
        return self._noted_at

    def _begin_anew(self) -> None:
        self._boot = self.view.boot
        self._continuous_since = self.view.last_seen
        for track in (self.whole, *self.queues.values(), *self.sites.values()):
            track.begin_anew()

    def _note(self, begin: float, at: float) -> None:
        boot = self._boot
        worst = 0.0
        for name, track in self.queues.items():
            lag = self.lag(name)
            worst = max(worst, lag)
            track.note(begin, at, lag, boot)
        self.whole.note(begin, at, worst, boot)
        self._note_sites(begin, at)
        for worker in self.workers.values():
            if worker.gone_at is None:
                worker.note(begin, at, boot)
        self._note_pairs(at)
        self._note_latencies(at)

    def lag(self, queue: str) -> float:
        """Of a queue as a whole the lag is asked more often than of its sites."""
        fact = self.view.queues.get(queue)
        if fact is not None and fact.lag_at:
            return fact.lag_seconds
        track = self.queues.get(queue)
        return track.totals.lag_seconds if track is not None else 0.0

    def _keep_up(self, tracks: dict[str, Track], totals: Mapping[str, Totals], latency_seconds: float) -> None:
        """A track for everything that there is, and for nothing else."""
        if len(tracks) > len(totals) or any(name not in totals for name in tracks):
            for name in [name for name in tracks if name not in totals]:
                self._release(tracks.pop(name))
        for name, each in totals.items():
            track = tracks.get(name)
            if track is None:
                track = tracks[name] = Track(each, has_courses=self._flow_budget.take())
                if track.courses is not None:
                    self._turns.append((track, latency_seconds))
            track.totals = each

    def _release(self, track: Track) -> None:
        """A track is gone: what it took of the budget is free again, unless it had courses by being opened."""
        if track.courses is None:
            return
        self._take_turn_away(track)
        opened = [key for key, each in self._opened.items() if each is track]
        if opened:
            del self._opened[opened[0]]
        else:
            self._flow_budget.give_back()

    def _release_worker(self, track: WorkerTrack) -> None:
        if track.is_budgeted:
            self._worker_budget.give_back()

    def _take_turn_away(self, track: Track) -> None:
        self._turns = deque(turn for turn in self._turns if turn[0] is not track)

    def _note_sites(self, begin: float, at: float) -> None:
        self._site_turn = (self._site_turn + 1) % _SITE_ROUND
        for number, track in enumerate(self.sites.values()):
            if track.courses is not None:
                track.note(begin, at, track.totals.lag_seconds, self._boot)
            elif number % _SITE_ROUND == self._site_turn:
                track.note(begin, at, 0.0, self._boot)

    def _note_latencies(self, at: float) -> None:
        """In turns: a queue every second, a site every five, or less often when there are too many pairs."""
        self._pairs_left = min(PAIRS_A_SECOND, self._pairs_left + PAIRS_A_SECOND)
        for _ in range(len(self._turns)):
            if self._pairs_left <= 0:
                return
            track, step = self._turns[0]
            self._turns.rotate(-1)
            if track.is_latency_due(at, step):
                track.note_latency(at, self._continuous_since)
                self._pairs_left -= len(track.totals.pairs)

    def _note_pairs(self, at: float) -> None:
        self._watched = {key: asked for key, asked in self._watched.items() if at - asked < _WATCH_SECONDS}
        if not self._watched:
            self.pairs.clear()
            return
        for queue, site in self._watched:
            for pair in list(self.pairs_of(queue, site))[:_MOST_PAIRS]:
                flow = self.view.flows.get(pair)
                if flow is not None:
                    self.pairs.setdefault(pair, Minute()).note(at, pair_counts(flow), self._boot)

    def pairs_of(self, queue: str | None, site: str | None) -> Iterable[Pair]:
        """The pairs of a queue, or of a site, or the one of both."""
        if queue is not None and site is not None:
            return [(queue, site)]
        track = self.queues.get(queue) if queue is not None else self.sites.get(site or "")
        return track.totals.pairs if track is not None else ()

    def _look_at_flows(self) -> None:
        """A queue that has a handler and no items yet is one too."""
        view = self.view
        self.whole.totals = view.totals()
        totals = view.queue_totals()
        if any(queue not in totals for queue in view.queues):
            totals = {queue: totals.get(queue) or Totals({}, {}) for queue in (*totals, *view.queues)}
        self._keep_up(self.queues, totals, 0.0)
        self._keep_up(self.sites, view.site_totals(), _SITE_LATENCY_SECONDS)

    def _look_at_workers(self, now: float) -> None:
        facts = self.view.workers
        for name, fact in facts.items():
            track = self.workers.get(name)
            if track is None:
                track = self.workers[name] = WorkerTrack(fact, has_courses=self._worker_budget.take())
            track.fact, track.gone_at = fact, None
        for name in [name for name in self.workers if name not in facts]:
            track = self.workers[name]
            if track.gone_at is None:
                track.gone_at = now
            elif now - track.gone_at > FADE_SECONDS:
                self._release_worker(self.workers.pop(name))

    def _look_at_events(self) -> None:
        """Keep what befell each worker: in the view it may be pushed out by other events."""
        came = self.view.events_taken - self._events
        if not came:
            return
        self._events = self.view.events_taken
        for event in self.view.events[-(came + 32) :]:
            if event.name in LIFE:
                track = self.workers.get(str(event.fields.get("worker")))
                if track is not None:
                    track.tell(event)


def pair_counts(flow: FlowFact) -> Counts:
    return flow.handled, flow.failed, flow.retried, flow.discarded, flow.run_seconds


class Histories:
    """The past of every daemon of a fleet."""

    def __init__(self) -> None:
        self.daemons: dict[str, DaemonHistory] = {}
        self._flows, self._workers = Budget(MOST_COURSES), Budget(MOST_WORKERS)

    def observe(self, fleet: Fleet, now: float) -> None:
        """Look at all daemons. One whose view is another object begins anew: it was forgotten meanwhile, or a recording
        went to another time.
        """
        for key in [key for key, known in self.daemons.items() if fleet.daemons.get(key) is not known.view]:
            self.daemons.pop(key).close()
        for key, view in fleet.daemons.items():
            history = self.daemons.get(key)
            if history is None:
                history = self.daemons[key] = DaemonHistory(view, self._flows, self._workers)
            history.observe(now)

    def reset_peaks(self) -> None:
        for history in self.daemons.values():
            history.reset_peaks()

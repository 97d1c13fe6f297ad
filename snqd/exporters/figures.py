"""What is told of a daemon, as names and numbers: increments of counters, gauges, and durations."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Final

from snqd.exporters.names import part
from snqd.telemetry.histogram import Sparse, merged, quantiles, since, total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.exporters.sent import Sent
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import FlowFact, WorkerFact

COUNTERS: Final = (
    "claimed", "handled", "failed", "retried", "released", "dead_lettered", "discarded", "bad_items", "leases_lost",
    "reclaimed",
)  # fmt: skip
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
QUANTILE_SECONDS: Final = 10.0
LOOKS: Final = 30
"""How often a first look is put off because the view is not complete."""
GONE_SECONDS: Final = 30.0
"""For how long a gauge is told as 0 when there is nothing to count any more: servers keep what they were told last."""
TIMINGS_PER_TICK: Final = 500
TIMINGS_PER_NAME: Final = 20
WORKER_STATES: Final = (
    "starting", "idle", "claiming", "handling", "draining", "stopped",  # what a running one says of itself
    "stopping", "backoff", "fatal", "closed",  # what the supervisor says of the slot
)  # fmt: skip

_NOTHING: Final = (0,) * len(COUNTERS)


class Figures:
    """Remembers what it has told of one daemon, and so knows what is new."""

    def __init__(self, *, with_sites: bool = False, sent: Sent | None = None) -> None:
        self._with_sites = with_sites
        self._sent_memory = sent
        self._boot: int | None = None
        self._flows: dict[tuple[str, str], FlowFact] = {}
        self._seen: defaultdict[str, int] = defaultdict(int)
        self._sent: dict[str, int] = {}
        self._fresh: defaultdict[str, list[Sparse]] = defaultdict(list)
        self._interval: dict[str, Sparse] = {}
        self._interval_began: float | None = None
        self._quantiles: dict[str, float] = {}
        self._waiting: dict[str, float] = {}
        """Gauges of depths that were told above 0, and until when they are told if there is nothing."""
        self._looks = 0

    def increments(self, view: DaemonView) -> list[tuple[str, int]]:
        """What came to each counter since the last call. It counts as told now.

        Sums are taken of differences between facts and not of totals, since facts of flows without work disappear
        from the view, and come back.
        """
        if self._is_too_early(view):
            return []
        is_first = self._begin_life(view)
        fresh: defaultdict[str, list[int]] = defaultdict(lambda: list(_NOTHING))
        for pair, flow in view.flows.items():
            before = self._flows.get(pair)
            if before is not flow:
                self._flows[pair] = flow
                self._add(fresh, flow, before)
                if not is_first:
                    self._add_durations(flow, before)
        changed = [(f"{name}.{counter}", more) for name, counts in fresh.items() for counter, more in _named(counts)]
        for name, more in changed:
            self._seen[name] += more
        if is_first and (self._sent_memory is None or self._sent_memory.is_full):
            self._sent = dict(self._seen) | self._sent  # where it is not known how much has been told, tell none of it
        return [told for name, _more in changed if (told := self._owed(name))]

    def totals(self) -> dict[str, int]:
        """What each counter has come to since the daemon's boot, as `increments` has seen it. Without those at 0."""
        return dict(self._seen)

    @property
    def has_begun(self) -> bool:
        """Whether the view has been complete enough for `increments` to look at it."""
        return self._boot is not None

    def durations(self, now: float) -> dict[str, Sparse]:
        """How long what ran since the last call took and had waited, by name. After `increments`.

        From now on it is in the quantiles of `gauges`.
        """
        fresh, self._fresh = self._fresh, defaultdict(list)
        if self._interval_began is None:
            self._interval_began = now
        found = {name: merged(histograms) for name, histograms in fresh.items()}
        for name, histogram in found.items():
            self._interval[name] = merged((self._interval.get(name, ()), histogram))
        return found

    def timings(self, now: float) -> Iterator[tuple[str, float]]:
        """The same as milliseconds, at most `TIMINGS_PER_TICK` of them. In place of `durations`."""
        found = self.durations(now)
        each = max(1, min(TIMINGS_PER_NAME, TIMINGS_PER_TICK // max(1, len(found))))
        for name, histogram in islice(found.items(), TIMINGS_PER_TICK):
            count = min(each, total(histogram))
            for seconds in quantiles(histogram, ((place + 0.5) / count for place in range(count))):
                yield name, 1000 * seconds

    def gauges(self, view: DaemonView, now: float) -> dict[str, float]:
        """What there is now. After `durations` or `timings`."""
        if self._interval_began is not None and now - self._interval_began >= QUANTILE_SECONDS:
            self._end_interval(now)
        found: defaultdict[str, float] = defaultdict(float)
        self._add_depths(found, view, now)
        found.update(self._quantiles)
        daemon = f"daemon.{part(view.name)}.{part(view.host)}"
        for state in WORKER_STATES:
            found[f"{daemon}.workers.{state}"] = 0
        for worker in view.workers.values():
            found[f"{daemon}.workers.{part(_state(worker))}"] += 1
            found[f"{daemon}.rss_bytes"] += worker.rss_bytes
        if view.daemon is not None:
            found[f"{daemon}.hub_rss_bytes"] = view.daemon.hub_rss_bytes
        found[f"{daemon}.alarms"] = sum(alarm.is_raised for alarm in view.alarms.values())
        if view.store is not None:
            found[f"{daemon}.store_connected"] = int(view.store.connected)
            if view.store.connected:
                found[f"{daemon}.store_round_trip_seconds"] = max(0.0, view.store.round_trip_seconds)
        return dict(found)

    def _is_too_early(self, view: DaemonView) -> bool:
        """Without memory, what a first look does not see would be taken for new when it is seen."""
        self._looks += 1
        is_first = self._boot is None and self._sent_memory is None
        return is_first and not view.is_complete and self._looks <= LOOKS

    def _begin_life(self, view: DaemonView) -> bool:
        """Whether this is the first look. In a new life of the daemon every counter begins at 0, told or not."""
        is_first = self._boot is None
        if view.boot == self._boot:
            return False
        self._boot = view.boot
        self._flows.clear()
        self._seen.clear()
        self._sent = self._sent_memory.values() if is_first and self._sent_memory is not None else {}
        if not is_first and self._sent_memory is not None:
            self._sent_memory.clear()
        return is_first

    def _owed(self, name: str) -> tuple[str, int] | None:
        """What is still to be told of a counter, and is taken for told from now on."""
        value = self._seen[name]
        increment = value - self._sent.get(name, 0)
        if increment <= 0:
            return None
        self._sent[name] = value
        if self._sent_memory is not None:
            self._sent_memory.set(name, value)
        return name, increment

    def _add(self, fresh: defaultdict[str, list[int]], flow: FlowFact, before: FlowFact | None) -> None:
        """Add what is new in a flow, for its queue and perhaps for its site."""
        old = _counts(before) if before is not None else _NOTHING
        more = [max(0, now - then) for now, then in zip(_counts(flow), old, strict=True)]
        if any(more):
            for name in (f"queue.{part(flow.queue)}", f"site.{part(flow.site)}")[: 1 + self._with_sites]:
                sums = fresh[name]
                for place, each in enumerate(more):
                    sums[place] += each

    def _add_durations(self, flow: FlowFact, before: FlowFact | None) -> None:
        queue = f"queue.{part(flow.queue)}"
        for kind, now, then in (
            ("run", flow.run, before.run if before is not None else ()),
            ("wait", flow.wait, before.wait if before is not None else ()),
        ):
            fresh = since(now, then)
            if fresh:
                self._fresh[f"{queue}.{kind}"].append(fresh)

    def _end_interval(self, now: float) -> None:
        for name, histogram in self._interval.items():
            found = quantiles(histogram, (share for _label, share in QUANTILES))
            for (label, _share), seconds in zip(QUANTILES, found, strict=False):  # an empty histogram has none
                self._quantiles[f"{name}_{label}_seconds"] = round(seconds, 6)
        self._interval.clear()
        self._interval_began = now

    def _add_depths(self, found: defaultdict[str, float], view: DaemonView, now: float) -> None:
        groups = [("queue", view.queue_totals())]
        if self._with_sites:
            groups.append(("site", view.site_totals()))
        for kind, totals in groups:
            for key, each in totals.items():
                name = f"{kind}.{part(key)}"
                found[f"{name}.depth"] += each.ready
                found[f"{name}.scheduled"] += each.scheduled
                found[f"{name}.in_flight"] += each.in_flight
                found[f"{name}.dead"] += each.dead
                if each.paused:  # seldom, so it is no gauge of every queue
                    found[f"{name}.paused"] += each.paused
                lag = f"{name}.lag_seconds"
                found[lag] = max(found[lag], round(each.lag_seconds, 3))
        self._waiting.update((name, now + GONE_SECONDS) for name, value in found.items() if value)
        self._waiting = {name: until for name, until in self._waiting.items() if until > now}
        for name in self._waiting:
            found[name] += 0


def _named(counts: list[int]) -> Iterator[tuple[str, int]]:
    return ((counter, count) for counter, count in zip(COUNTERS, counts, strict=True) if count)


def _counts(flow: FlowFact) -> tuple[int, ...]:
    return (
        flow.claimed, flow.handled, flow.failed, flow.retried, flow.released, flow.dead_lettered, flow.discarded,
        flow.bad_items, flow.leases_lost, flow.reclaimed,
    )  # fmt: skip


def _state(worker: WorkerFact) -> str:
    return worker.phase if worker.state == "running" else worker.state

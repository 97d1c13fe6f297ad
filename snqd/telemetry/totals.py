"""Sums over the flows and depths of one daemon: per queue, per site and over all, exact and cheap to ask for.

They are kept, not counted anew: what changed is noted when it arrives, and by how much it did is added when somebody
asks. Sums of seconds are kept in whole nanoseconds, since floats that are added and subtracted drift.
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, sub
from typing import TYPE_CHECKING, Final

from snqd.telemetry.histogram import Sparse, merged, quantile

if TYPE_CHECKING:
    from snqd.telemetry.facts import DepthFact, FlowFact
    from snqd.telemetry.tables import Pair, Table

Change = tuple[int, ...]
"""By how much sums grow, in the order of `_of_flow` or `_of_depth`."""

_NANO: Final = 1_000_000_000
_COUNTS: Final = (
    "claimed", "handled", "failed", "retried", "released", "dead_lettered", "discarded", "bad_items", "leases_lost",
    "reclaimed"
)  # fmt: skip
_NO_FLOW: Final = (0,) * (len(_COUNTS) + 2)
_flow_counts = attrgetter(*_COUNTS)
_NO_DEPTH: Final = (0,) * 7
_depth_counts = attrgetter("ready", "scheduled", "in_flight", "dead", "enqueued", "paused", "is_estimate")


class Totals:
    """Sums of one queue, one site or the whole daemon. The object is kept up to date: copy what is to be kept."""

    __slots__ = (
        *_COUNTS, "_depths", "_flows", "_is_lag_known", "_lag", "_merged", "_run_ns", "_wait_ns", "dead", "enqueued",
        "estimates", "in_flight", "pairs", "paused", "ready", "scheduled"
    )  # fmt: skip

    def __init__(self, flows: dict[Pair, FlowFact], depths: dict[Pair, DepthFact]) -> None:
        self._flows, self._depths = flows, depths
        self.pairs: dict[Pair, int] = {}
        """The pairs of queue and site that are in it (and whether by a flow, a depth or both: 1 or 2)."""
        self.claimed = self.handled = self.failed = self.retried = self.released = self.dead_lettered = 0
        self.discarded = self.bad_items = self.leases_lost = self.reclaimed = 0
        self.ready = self.scheduled = self.in_flight = self.dead = self.enqueued = self.paused = 0
        self.estimates = 0
        """How many of the depths are estimates."""
        self._run_ns = self._wait_ns = 0
        self._lag, self._is_lag_known = 0.0, True
        self._merged: dict[str, Sparse] = {}

    @property
    def run_seconds(self) -> float:
        return self._run_ns / _NANO

    @property
    def wait_seconds(self) -> float:
        return self._wait_ns / _NANO

    @property
    def lag_seconds(self) -> float:
        """The highest of the lags; 0 = nothing is ready."""
        if not self._is_lag_known:
            depths = self._depths
            self._lag = max((depths[pair].lag_seconds for pair in self.pairs if pair in depths), default=0.0)
            self._is_lag_known = True
        return self._lag

    def run(self) -> Sparse:
        """Run times of handlers, all together."""
        return self._histogram("run")

    def wait(self) -> Sparse:
        """Times from claimable to started, all together."""
        return self._histogram("wait")

    def run_quantile(self, share: float) -> float | None:
        """The run time (seconds) that `share` (0 to 1) of the items stayed below; None = nothing ran yet."""
        return quantile(self.run(), share)

    def wait_quantile(self, share: float) -> float | None:
        return quantile(self.wait(), share)

    def _histogram(self, name: str) -> Sparse:
        found = self._merged.get(name)
        if found is None:
            flows = self._flows
            found = merged(getattr(flows[pair], name) for pair in self.pairs if pair in flows)
            self._merged[name] = found
        return found

    def add_flow(self, pair: Pair, change: Change, held: int) -> None:
        """Add to what `_of_flow` lists. `held`: 1 when the pair has a flow now and had none, -1 the other way round."""
        (
            claimed, handled, failed, retried, released, dead_lettered, discarded, bad_items, leases_lost, reclaimed,
            run_ns, wait_ns
        ) = change  # fmt: skip
        self.claimed += claimed
        self.handled += handled
        self.failed += failed
        self.retried += retried
        self.released += released
        self.dead_lettered += dead_lettered
        self.discarded += discarded
        self.bad_items += bad_items
        self.leases_lost += leases_lost
        self.reclaimed += reclaimed
        self._run_ns += run_ns
        self._wait_ns += wait_ns
        self._merged.clear()
        if held:
            self._hold(pair, held)

    def add_depth(self, pair: Pair, change: Change, held: int, lag_before: float, lag_now: float) -> None:
        """The same for what `_of_depth` lists. The lags (seconds) are the pair's; 0 = it has no depth."""
        ready, scheduled, in_flight, dead, enqueued, paused, estimates = change
        self.ready += ready
        self.scheduled += scheduled
        self.in_flight += in_flight
        self.dead += dead
        self.enqueued += enqueued
        self.paused += paused
        self.estimates += estimates
        if lag_now >= self._lag:  # what is kept is never lower than the highest
            self._lag = lag_now
        elif lag_before >= self._lag:  # it was the highest: the others must be looked at
            self._is_lag_known = False
        if held:
            self._hold(pair, held)

    def _hold(self, pair: Pair, held: int) -> None:
        """A pair is in it once for its flow and once for its depth."""
        count = self.pairs.get(pair, 0) + held
        if count:
            self.pairs[pair] = count
        else:
            del self.pairs[pair]


def _of_flow(fact: FlowFact | None) -> Change:
    if fact is None:
        return _NO_FLOW
    return (*_flow_counts(fact), round(fact.run_seconds * _NANO), round(fact.wait_seconds * _NANO))


def _of_depth(fact: DepthFact | None) -> Change:
    return _depth_counts(fact) if fact is not None else _NO_DEPTH


def totals_of(pair: Pair, flows: dict[Pair, FlowFact], depths: dict[Pair, DepthFact]) -> Totals:
    """The sums of one queue of one site. They are made anew, since nobody keeps them."""
    found = Totals(flows, depths)
    if (flow := flows.get(pair)) is not None:
        found.add_flow(pair, _of_flow(flow), 1)
    if (depth := depths.get(pair)) is not None:
        found.add_depth(pair, _of_depth(depth), 1, 0.0, depth.lag_seconds)
    return found


class Books:
    """Keeps the totals of one daemon."""

    def __init__(self, flows: Table[Pair, FlowFact], depths: Table[Pair, DepthFact]) -> None:
        self._flows, self._depths = flows, depths
        self._all = Totals(flows.facts, depths.facts)
        self._queues: dict[str, Totals] = {}
        self._sites: dict[str, Totals] = {}

    def totals(self) -> Totals:
        self.settle()
        return self._all

    def queues(self) -> dict[str, Totals]:
        self.settle()
        return self._queues

    def sites(self) -> dict[str, Totals]:
        self.settle()
        return self._sites

    def settle(self) -> None:
        """Add by how much each thing that changed is more, or less, than when it was last added."""
        flows, depths = self._flows, self._depths
        for pair, old in flows.changed.items():
            new = flows.facts.get(pair)
            change = tuple(map(sub, _of_flow(new), _of_flow(old)))
            held = (new is not None) - (old is not None)
            for totals in self._of(pair):
                totals.add_flow(pair, change, held)
        for pair, before in depths.changed.items():
            now = depths.facts.get(pair)
            change = tuple(map(sub, _of_depth(now), _of_depth(before)))
            held = (now is not None) - (before is not None)
            lags = (before.lag_seconds if before is not None else 0.0, now.lag_seconds if now is not None else 0.0)
            for totals in self._of(pair):
                totals.add_depth(pair, change, held, *lags)
        for queue, site in chain(flows.changed, depths.changed):
            for groups, name in ((self._queues, queue), (self._sites, site)):
                if name in groups and not groups[name].pairs:
                    del groups[name]
        flows.changes_are_settled()
        depths.changes_are_settled()

    def _of(self, pair: Pair) -> tuple[Totals, Totals, Totals]:
        queue, site = pair
        return self._all, self._in(self._queues, queue), self._in(self._sites, site)

    def _in(self, groups: dict[str, Totals], name: str) -> Totals:
        found = groups.get(name)
        if found is None:
            found = groups[name] = Totals(self._flows.facts, self._depths.facts)
        return found

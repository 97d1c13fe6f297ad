"""Sums over the flows and depths of one daemon: per queue, per site and over all, exact and cheap to ask for.

They are kept, not counted anew: what changed is noted when it arrives, and taken out and put in again when somebody
asks. Sums of seconds are kept in whole nanoseconds, since floats that are added and subtracted drift.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from snqd.telemetry.histogram import Sparse, merged, quantile

if TYPE_CHECKING:
    from snqd.telemetry.facts import DepthFact, FlowFact
    from snqd.telemetry.tables import Pair, Table

_NANO: Final = 1_000_000_000
_COUNTS: Final = (
    "claimed", "handled", "failed", "retried", "released", "dead_lettered", "discarded", "bad_items", "leases_lost",
    "reclaimed"
)  # fmt: skip


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

    def put_flow(self, pair: Pair, fact: FlowFact, sign: int) -> None:
        self.claimed += sign * fact.claimed
        self.handled += sign * fact.handled
        self.failed += sign * fact.failed
        self.retried += sign * fact.retried
        self.released += sign * fact.released
        self.dead_lettered += sign * fact.dead_lettered
        self.discarded += sign * fact.discarded
        self.bad_items += sign * fact.bad_items
        self.leases_lost += sign * fact.leases_lost
        self.reclaimed += sign * fact.reclaimed
        self._run_ns += sign * round(fact.run_seconds * _NANO)
        self._wait_ns += sign * round(fact.wait_seconds * _NANO)
        self._merged.clear()
        self._hold(pair, sign)

    def put_depth(self, pair: Pair, fact: DepthFact, sign: int) -> None:
        self.ready += sign * fact.ready
        self.scheduled += sign * fact.scheduled
        self.in_flight += sign * fact.in_flight
        self.dead += sign * fact.dead
        self.enqueued += sign * fact.enqueued
        self.paused += sign * fact.paused
        self.estimates += sign * fact.is_estimate
        self._is_lag_known = False
        self._hold(pair, sign)

    def _hold(self, pair: Pair, sign: int) -> None:
        """A pair is in it once for its flow and once for its depth."""
        count = self.pairs.get(pair, 0) + sign
        if count:
            self.pairs[pair] = count
        else:
            del self.pairs[pair]


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
        """Take out what changed as it was when it was put in, and put it in as it is now."""
        flows, depths = self._flows, self._depths
        for pair, old in flows.changed.items():
            new = flows.facts.get(pair)
            for totals in self._of(pair):
                if new is not None:
                    totals.put_flow(pair, new, 1)
                if old is not None:
                    totals.put_flow(pair, old, -1)
        for pair, before in depths.changed.items():
            now = depths.facts.get(pair)
            for totals in self._of(pair):
                if now is not None:
                    totals.put_depth(pair, now, 1)
                if before is not None:
                    totals.put_depth(pair, before, -1)
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

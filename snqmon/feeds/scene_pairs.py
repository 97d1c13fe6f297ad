"""`Pair`: one queue of one site in the scene: what comes, waits, is handled, fails and is tried again. A tick = 1 s."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from math import exp
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.telemetry.facts import DepthFact, FlowFact
from snqd.telemetry.histogram import BOUNDS

if TYPE_CHECKING:
    from random import Random

    from snqmon.feeds.scene_cast import QueueCast

_SPREAD: Final = tuple(exp(step) for step in (
    -0.9, -0.7, -0.5, -0.4, -0.3, -0.25, -0.2, -0.1, -0.05, 0.0, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.9, 1.5,
))  # fmt: skip
"""How run times lie around the usual one."""
_MOST_DRAWS: Final = 6
"""Run times that are drawn in a tick; with more items each stands for several."""
_RETRY_SECONDS: Final = (15, 60)
_GIVEN_UP: Final = 0.4
"""Of failures where everything fails, the share that are an item's last: an item that fails now and then succeeds."""


class Served(NamedTuple):
    """What one tick did for a pair."""

    items: int
    failed: int
    dead: int


class Pair:
    """Counters since the daemon's boot; `past_seconds` of it have passed before the scene begins."""

    def __init__(
        self, queue: QueueCast, site: str, share: float, past_seconds: float, dead: int, random: Random
    ) -> None:
        self.queue, self.site = queue, site
        self.per_second = queue.per_second * share
        self.ready = self.scheduled_count = self.in_flight = 0
        self.dead = dead
        self.claimed = self.handled = self.failed = self.retried = self.dead_lettered = 0
        self._random = random
        self._carry = random.random()
        self._waiting: deque[tuple[int, int]] = deque()  # since which tick, how many
        self._scheduled: deque[tuple[int, int]] = deque()  # until which tick, how many
        self._run: dict[int, int] = {}
        self._wait: dict[int, int] = {}
        self._run_seconds = self._wait_seconds = 0.0
        self._flow: FlowFact | None = None
        self._live_before(int(self.per_second * past_seconds))

    @property
    def oldest(self) -> int:
        """The tick in which the oldest ready item became ready. Only asked while there is one."""
        return self._waiting[0][0]

    def lag(self, tick: int) -> float:
        return float(tick - self._waiting[0][0]) + 0.4 if self._waiting else 0.0

    def arrive(self, tick: int, factor: float) -> int:
        """New items, and those whose time has come; how many are new."""
        wanted = self.per_second * factor * (0.6 + 0.8 * self._random.random()) + self._carry
        count = int(wanted)
        self._carry = wanted - count
        due = 0
        while self._scheduled and self._scheduled[0][0] <= tick:
            due += self._scheduled.popleft()[1]
        self.scheduled_count -= due
        if count + due:
            self._waiting.append((tick, count + due))
            self.ready += count + due
        return count

    def serve(self, tick: int, most: int, failing: float) -> Served:
        """Handle up to `most` of the oldest ready items."""
        count = min(most, self.ready)
        self._take(tick, count)
        failed = min(count, int(count * failing + self._random.random())) if failing else 0
        dead = int(failed * _GIVEN_UP * failing + self._random.random()) if failed else 0
        again = failed - dead
        if again:
            until = tick + self._random.randint(*_RETRY_SECONDS)
            self._scheduled.append((max(until, self._scheduled[-1][0] if self._scheduled else 0), again))
            self.scheduled_count += again
        self.claimed += count
        self.handled += count - failed
        self.failed += failed
        self.dead_lettered += dead
        self.dead += dead
        self._flow = None
        return Served(count, failed, dead)

    def flow(self) -> FlowFact:
        """The same object until something has changed."""
        if self._flow is None:
            self._flow = FlowFact(
                queue=self.queue.name, site=self.site, claimed=self.claimed, handled=self.handled, failed=self.failed,
                retried=self.retried, released=0, dead_lettered=self.dead_lettered, discarded=0, bad_items=0,
                leases_lost=0, reclaimed=0, run=_sparse(self._run), run_seconds=round(self._run_seconds, 6),
                wait=_sparse(self._wait), wait_seconds=round(self._wait_seconds, 6)
            )  # fmt: skip
        return self._flow

    def depth(self, tick: int, at: float, *, is_paused: bool) -> DepthFact:
        ready, paused, lag = (0, self.ready, 0.0) if is_paused else (self.ready, 0, self.lag(tick))
        return DepthFact(
            queue=self.queue.name, site=self.site, ready=ready, scheduled=self.scheduled_count, paused=paused,
            in_flight=self.in_flight, lag_seconds=lag, dead=self.dead, is_estimate=self.ready >= 2000, at=at,
            enqueued=self.handled + self.dead_lettered + self.ready + self.scheduled_count + self.in_flight
        )  # fmt: skip

    def _take(self, tick: int, count: int) -> None:
        """Out of what waits, oldest first, with the time that each waited and runs."""
        self.ready -= count
        left = count
        while left:
            since, there = self._waiting[0]
            taken = min(there, left)
            if taken == there:
                self._waiting.popleft()
            else:
                self._waiting[0] = (since, there - taken)
            left -= taken
            self._note(self._wait, tick - since + 0.002 + 0.3 * self._random.random() ** 3, taken, is_wait=True)
        draws = min(count, _MOST_DRAWS)
        for draw in range(draws):
            seconds = self.queue.run_seconds * _SPREAD[int(self._random.random() * len(_SPREAD))]
            self._note(self._run, seconds, count // draws + (draw < count % draws), is_wait=False)

    def _note(self, histogram: dict[int, int], seconds: float, count: int, *, is_wait: bool) -> None:
        bucket = bisect_left(BOUNDS, seconds)
        histogram[bucket] = histogram.get(bucket, 0) + count
        if is_wait:
            self._wait_seconds += seconds * count
        else:
            self._run_seconds += seconds * count

    def _live_before(self, count: int) -> None:
        """The days before the scene, in a moment."""
        failed = int(count * self.queue.failing)
        self.claimed, self.handled, self.failed = count, count - failed, failed
        self.dead_lettered = self.dead
        for spread in _SPREAD if count else ():
            self._note(self._run, self.queue.run_seconds * spread, count // len(_SPREAD), is_wait=False)
            self._note(self._wait, 0.004 * spread, count // len(_SPREAD), is_wait=True)


def _sparse(counts: dict[int, int]) -> tuple[int, ...]:
    return tuple(number for bucket in sorted(counts) if counts[bucket] for number in (bucket, counts[bucket]))

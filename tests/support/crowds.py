"""Daemons with many sites, queues and workers, whose counters go on: for tests of order, and for what a look costs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from snqd.telemetry.histogram import tally
from tests.support.views import NOON, depth, flow, queue, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.facts import AnyFact, FlowFact, WorkerFact
    from tests.support.worlds import ToldFeed


class Crowd:
    """One daemon. Seeded: the same numbers each time."""

    def __init__(self, *, sites: int, queues: int, workers: int, seed: int = 1, daemon: str = "main@host") -> None:
        self.daemon = daemon
        self._random = random.Random(seed)
        self.sites = [f"site{number:05}.example" for number in range(sites)]
        self.queues = [f"queue{number:02}" for number in range(queues)]
        self.workers = workers
        self._handled = dict.fromkeys(((queue, site) for queue in self.queues for site in self.sites), 0)
        histogram = tally(self._random.lognormvariate(-4, 1.5) for _ in range(400))
        self._histogram = tuple(number for bucket in histogram for number in bucket)

    def facts(self, *, busy: float = 1.0) -> Iterator[AnyFact]:
        """Everything there is to tell; a share of the pairs has gone on since the last time."""
        for pair in self._handled:
            if self._random.random() < busy:
                self._handled[pair] += self._random.randrange(1, 20)
            yield self._flow(*pair)
            yield depth(*pair, ready=self._handled[pair] % 40, lag_seconds=float(self._handled[pair] % 25))
        for name in self.queues:
            yield queue(name, in_per_second=12.0, out_per_second=11.5, lag_seconds=24.0, lag_at=NOON)
        each = sum(self._handled.values()) // max(1, self.workers)
        for number in range(1, self.workers + 1):
            yield self._worker(number, each)

    def tell(self, feed: ToldFeed, *, busy: float = 1.0) -> None:
        feed.tell(*self.facts(busy=busy), daemon=self.daemon)

    def _flow(self, queue_name: str, site: str) -> FlowFact:
        handled = self._handled[queue_name, site]
        scaled = tuple(
            number * (handled + 1) if place % 2 else number for place, number in enumerate(self._histogram[:24])
        )
        return flow(
            queue_name, site, claimed=handled, handled=handled, failed=handled // 50, run=scaled, wait=scaled,
            run_seconds=handled * 0.02, wait_seconds=handled * 0.1,
        )  # fmt: skip

    def _worker(self, number: int, handled: int) -> WorkerFact:
        site = self.sites[number % len(self.sites)]
        return worker(
            number, phase="handling", running=1, queue=self.queues[number % len(self.queues)], site=site, item=number,
            handled=handled, rss_bytes=60 << 20, memory_limit_bytes=256 << 20, cpu_seconds=handled * 0.01,
        )  # fmt: skip

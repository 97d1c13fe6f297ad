"""Which handlers make workers grow, and when a worker reaches its limit if it goes on like that."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from snqd.telemetry.facts import MemoryFact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.telemetry.facts import WorkerFact

_SAMPLE_SECONDS = 5.0
_WINDOW_SECONDS = 600.0
_SETTLED_SECONDS = 30.0  # a worker that has just begun grows by what it loads
_MOST_QUEUES = 8


class MemoryBook:
    """Remembers each process's size for ten minutes."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, deque[tuple[float, int]]]] = {}

    def facts(self, worker: WorkerFact, growth: Mapping[str, tuple[int, int]], now: float) -> list[MemoryFact]:
        """The queues during which this worker grew most; `growth` is bytes and items per queue."""
        forecast = self._forecast(worker, now)
        grown = sorted(((size, queue, items) for queue, (size, items) in growth.items() if size > 0), reverse=True)
        return [
            MemoryFact(
                worker=worker.worker, queue=queue, grown_bytes=size, items=items, limit_in_seconds=round(forecast, 0)
            )
            for size, queue, items in grown[:_MOST_QUEUES]
        ]

    def _forecast(self, worker: WorkerFact, now: float) -> float:
        """Seconds until the soft limit at the growth of the last minutes; -1 = not in sight."""
        pid, sizes = self._sizes.get(worker.worker, (0, deque()))
        if pid != worker.pid:
            sizes = deque()
            self._sizes[worker.worker] = (worker.pid, sizes)
        if worker.rss_bytes and now - worker.spawned >= _SETTLED_SECONDS:
            if not sizes or now - sizes[-1][0] >= _SAMPLE_SECONDS:
                sizes.append((now, worker.rss_bytes))
            while now - sizes[0][0] > _WINDOW_SECONDS:
                sizes.popleft()
        if len(sizes) < 3 or not worker.memory_limit_bytes:
            return -1.0
        (began, before), (at, size) = sizes[0], sizes[-1]
        pace = (size - before) / (at - began)
        return max(0.0, (worker.memory_limit_bytes - size) / pace) if pace > 0 else -1.0

"""How many items a worker may hold: enough to keep it busy, few enough that a slow item does not strand others.

A lane is a set of queues that share a way of running. It may hold what it runs (`concurrency`) plus what it
will start within `prefetch_seconds`, judged by how long recent items took. Unknown speed counts as slow, and the number
at most doubles from one claim to the next, so a lane that meets slow items after fast ones holds few of them.
"""

from __future__ import annotations

_SLOW_SECONDS = 0.05
"""An item that takes longer than this is believed at once; shorter ones may be noise and are averaged."""


class Pace:
    """Decides a lane's capacity. Written by the thread that runs items, read by the one that claims."""

    def __init__(self, *, concurrency: int, prefetch_seconds: float, batch_limit: int) -> None:
        self._concurrency = concurrency
        self._prefetch_seconds = prefetch_seconds
        self._most = 2 * batch_limit
        self._growth = 0
        self.seconds_per_item: float | None = None

    def ran(self, items: int, seconds: float) -> None:
        """`items` were run one after another in `seconds`."""
        each = seconds / items
        known = self.seconds_per_item
        if known is None or each >= _SLOW_SECONDS:
            self.seconds_per_item = each
        else:
            self.seconds_per_item = known + (each - known) * 0.3

    def ran_one(self, seconds: float) -> None:
        """One item took `seconds`; only a slow one says something before its batch is over."""
        if seconds >= _SLOW_SECONDS:
            self.seconds_per_item = seconds

    @property
    def capacity(self) -> int:
        """Items that the lane may hold now, started or not."""
        return self._concurrency + min(self._ahead(), self._growth)

    def claimed(self) -> None:
        """A claim has used the capacity: the next one may be twice as large."""
        self._growth = max(1, min(self._most, self._ahead(), self._growth * 2))

    def _ahead(self) -> int:
        if self.seconds_per_item is None:
            return 0
        if self.seconds_per_item <= 0:
            return self._most
        return int(min(self._most, self._prefetch_seconds * self._concurrency / self.seconds_per_item))

"""Whose items make a worker's memory grow: a guess by what ran meanwhile, at no cost for an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.worker.parts import Parts


class Growth:
    """Main thread only. Call `look` now and then."""

    def __init__(self, parts: Parts) -> None:
        self._view = parts.view
        self._book = parts.book
        self._ran = parts.accounts.ran
        self._before: dict[str, int] = {}
        self._rss: int | None = None

    def look(self, rss_bytes: int) -> None:
        """Share out what came since the last look (less than 0 when it shrank)."""
        before, self._rss = self._rss, rss_bytes
        now = dict(self._ran)
        ended = {queue: more for queue, count in now.items() if (more := count - self._before.get(queue, 0))}
        self._before = now
        if before is None:  # what start-up took is nobody's
            return
        busy = dict(ended)
        for running in self._view.running():  # an item that runs for long has not ended, but may be what grows
            busy[running.queue] = busy.get(running.queue, 0) + 1
        for queue, grown in shared_out(rss_bytes - before, busy).items():
            items = ended.get(queue, 0)
            if grown or items:
                self._book.grew(queue, grown, items)


def shared_out(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """`amount` in whole parts by weight; they add up to it unless there are no weights."""
    total = sum(weights.values())
    shares: dict[str, int] = {}
    given = seen = 0
    for queue, weight in weights.items():
        seen += weight
        shares[queue] = amount * seen // total - given
        given += shares[queue]
    return shares

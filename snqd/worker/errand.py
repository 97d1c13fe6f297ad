"""An errand: a worker that leaves when nothing is ready any more (`snqd drain`), instead of waiting for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snqd.stores.outcomes import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Its limits. `until` is a monotonic time."""

    max_items: int | None = None
    """Most items that the worker handles."""
    until: float | None = None

    def limited(self, lanes: Sequence[Lane], taken: int, now: float) -> list[Lane]:
        """The wishes that are still allowed. `taken`: items that the worker has handled, or holds.

        When the lanes wish for more than is left, they are one lane: the store then takes what is most urgent of all of
        them, and a queue where nothing waits keeps nothing from the others. It takes no more at once than each lane
        has room for.
        """
        if self.until is not None and now >= self.until:
            return []
        if self.max_items is None:
            return list(lanes)
        left = self.max_items - taken
        if left <= 0 or not lanes:
            return []
        if sum(lane.limit for lane in lanes) <= left:
            return list(lanes)
        queues = tuple(queue for lane in lanes for queue in lane.queues)
        return [Lane(queues, min(left, *(lane.limit for lane in lanes)))]

"""An errand: a worker that leaves when nothing is ready any more (`snqd drain`), instead of waiting for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.stores.base import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Its limits. `until` is a monotonic time."""

    max_items: int | None = None
    until: float | None = None

    def limited(self, lanes: list[Lane], claimed: int, now: float) -> list[Lane]:
        """The wishes that are still allowed after `claimed` items."""
        if self.until is not None and now >= self.until:
            return []
        if self.max_items is None:
            return lanes
        left = self.max_items - claimed
        allowed = []
        for lane in lanes:
            limit = min(lane.limit, left)
            if limit > 0:
                allowed.append(lane._replace(limit=limit))
                left -= limit
        return allowed

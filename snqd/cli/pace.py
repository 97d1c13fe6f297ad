"""How fast a correction goes: the size of its steps, and when the next one is due. Pure decisions."""

from __future__ import annotations

import math

from snqd.stores.corrections import STEP_ITEMS

_STEPS_PER_SECOND = 10
"""So many small steps rather than one large: a worker sees an even stream."""


class Pace:
    """`per_second` None: as fast as it goes. Times in seconds of one clock."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._due = 0.0

    @property
    def step_items(self) -> int:
        """Items of the next step, at most."""
        if self._per_second is None:
            return STEP_ITEMS
        return max(1, min(STEP_ITEMS, math.ceil(self._per_second / _STEPS_PER_SECOND)))

    def stepped(self, began: float, changed: int) -> None:
        """A step that began then has changed so many. Time lost is not caught up: that would be a burst."""
        if self._per_second is not None:
            self._due = max(self._due, began) + changed / self._per_second

    def wait_seconds(self, now: float) -> float:
        return max(0.0, self._due - now)

    def seconds_for(self, items: int) -> float | None:
        """Seconds that so many take; None: who knows."""
        return None if self._per_second is None else items / self._per_second

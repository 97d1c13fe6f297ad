"""Floors: how a claim does not walk over the dead.

PostgreSQL leaves an index entry behind for every item that was claimed, until a vacuum, which comes once a minute at
best. In a queue's index they lie exactly where every claim begins: half a million of them were measured to cost 3 to
5 ms at each claim. So a store remembers for each queue how far it has come, its *floor*, and when many rows of the
table are dead, it claims from there on, and from the more urgent priorities, which have few dead.

What can lie below a floor: an item given back, a retry, one that was paused, one whose transaction began long before it
committed, one with a time in the past. They are found by a full claim, which is made again and again: as often as it
costs at most a twentieth of the time, and twice a second at least. With few dead rows every claim is a full one and
order is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.items import Item, QueueName

MANY_DEAD_ROWS = 20_000
"""Fewer cost a claim less than 0.2 ms."""
LOOK_SECONDS = 1.0
"""How often the number of dead rows is asked for; the server counts them about as often."""
FULL_CLAIM_SHARE = 20
FULL_CLAIM_SECONDS = 0.5
_SETTLED_SECONDS = 5.0
_MARGIN_SECONDS = 0.25


class Floor(NamedTuple):
    """A place in a queue's order: claim what comes at or after it."""

    priority: int
    available_at: float
    id: int


LOWEST = Floor(-32768, float("-inf"), 0)


class Floors:
    """Decides from which place each claim begins. Times are monotonic seconds, but `wall` is epoch seconds."""

    def __init__(self) -> None:
        self._of_queue: dict[QueueName, Floor] = {}
        self._look_at = 0.0
        self._full_at = 0.0
        self._is_crowded = False

    def wants_look(self, now: float) -> bool:
        """Whether it is time to ask how many rows are dead."""
        return now >= self._look_at

    def saw(self, dead_rows: int, now: float) -> None:
        self._look_at = now + LOOK_SECONDS
        self._is_crowded = dead_rows >= MANY_DEAD_ROWS
        if not self._is_crowded:
            self._of_queue.clear()

    def is_full(self, now: float) -> bool:
        """Whether the next claim looks at everything."""
        return not self._is_crowded or now >= self._full_at

    def of(self, queue: QueueName) -> Floor:
        return self._of_queue.get(queue, LOWEST)

    def forget(self) -> None:
        """Items may have come back below them: the next claims look at everything."""
        self._of_queue.clear()

    def claimed(self, items: Sequence[Item], *, was_full: bool, began: float, ended: float, wall: float) -> None:
        """Note what a claim took, in the order of handling."""
        if not self._is_crowded:
            return
        if was_full:
            self._full_at = ended + min((ended - began) * FULL_CLAIM_SHARE, FULL_CLAIM_SECONDS)
        for queue, item in {item.queue: item for item in items}.items():  # the last one of each queue
            if was_full or item.priority >= self.of(queue).priority:
                self._of_queue[queue] = _floor_after(item, wall)


def _floor_after(item: Item, wall: float) -> Floor:
    """Just after `item`; for a young item, a margin before it: its neighbours may still be committing."""
    if wall - item.available_at > _SETTLED_SECONDS:
        return Floor(item.priority, item.available_at, item.id)
    return Floor(item.priority, item.available_at - _MARGIN_SECONDS, 0)

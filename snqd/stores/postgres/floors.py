"""Floors: how a claim does not walk over the dead.

PostgreSQL leaves an index entry behind for every item that was claimed, until a vacuum, which comes once a minute at
best. In a queue's index they lie exactly where every claim begins: half a million of them were measured to cost 3 to
5 ms at each claim. So a store remembers for each queue how far it has come, its *floor*, and when many rows of the
table are dead, it claims from there on, and from the more urgent priorities, which have few dead.

What can lie below a floor: an item given back, a retry, one that was paused, one whose transaction began long before it
committed, one with a time in the past. They are found by a full claim, which is made again and again: as often as it
costs at most a twentieth of the time, and twice a second at least. With few dead rows every claim is a full one and
order is exact.

Claims in turns have a floor for each flow, and go by the flows that the last look at everything found; a flow that is
alone is not looked beside. Every eighth claim does look, whatever the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.stores.turns import Flow, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqd.items import Item, QueueName

MANY_DEAD_ROWS = 20_000
"""Fewer cost a claim less than 0.2 ms."""
LOOK_SECONDS = 1.0
"""How often the number of dead rows is asked for; the server counts them about as often."""
FULL_CLAIM_SHARE = 20
FULL_CLAIM_SECONDS = 0.5
_SETTLED_SECONDS = 5.0
_MARGIN_SECONDS = 0.25
_FLOWS_LIMIT = 2000


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
        self._of_flow: dict[tuple[int, Flow], Floor] = {}
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
            self.forget()

    def is_full(self, now: float) -> bool:
        """Whether the next claim looks at everything."""
        return not self._is_crowded or now >= self._full_at

    def of(self, queue: QueueName) -> Floor:
        return self._of_queue.get(queue, LOWEST)

    def of_flow(self, priority: int, flow: Flow) -> Floor:
        """The same of one site's items at one priority."""
        return self._of_flow.get((priority, flow), LOWEST)

    def forget(self) -> None:
        """Items may have come back below them: the next claims look at everything."""
        self._of_queue.clear()
        self._of_flow.clear()

    def claimed(self, lasts: Iterable[Item], *, was_full: bool, began: float, ended: float, wall: float) -> None:
        """Note how far a claim has come: the last item that it took of each queue."""
        if not self._is_crowded:
            return
        self._took(was_full, began, ended)
        for item in lasts:
            if was_full or item.priority >= self.of(item.queue).priority:
                self._of_queue[item.queue] = _floor_after(item, wall)

    def turned(self, items: Sequence[Item], *, was_full: bool, began: float, ended: float, wall: float) -> None:
        """Note what a claim in turns took, in plain order."""
        if not self._is_crowded:
            return
        self._took(was_full, began, ended)
        if len(self._of_flow) > _FLOWS_LIMIT:
            self._of_flow.clear()
        for (priority, queue, site), item in dict(zip(map(turn_of, items), items, strict=True)).items():
            self._of_flow[priority, Flow(queue, site)] = _floor_after(item, wall)

    def _took(self, was_full: bool, began: float, ended: float) -> None:
        if was_full:
            self._full_at = ended + min((ended - began) * FULL_CLAIM_SHARE, FULL_CLAIM_SECONDS)


def _floor_after(item: Item, wall: float) -> Floor:
    """Just after `item`; for a young item, a margin before it: its neighbours may still be committing."""
    if wall - item.available_at > _SETTLED_SECONDS:
        return Floor(item.priority, item.available_at, item.id)
    return Floor(item.priority, item.available_at - _MARGIN_SECONDS, 0)

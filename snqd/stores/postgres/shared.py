"""Claims that are shared out by limits and weights, inside a transaction (see `snqd.stores.shares`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.items import items_of
from snqd.stores.postgres.texts import number_array, text_array
from snqd.stores.shares import LOOK_FLOWS, LOOK_ITEMS, Shares, Used, Waiting
from snqd.stores.sql import queries
from snqd.stores.turns import in_order, in_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from snqd.items import Item
    from snqd.stores.limits import Target
    from snqd.stores.outcomes import Lane
    from snqd.stores.pauses import Pauses
    from snqd.stores.shares import Take

    Cursor = psycopg.Cursor[tuple[Any, ...]]

_SQL = queries("postgres")
_IN_FLIGHT, _BUCKET, _FLOW = range(3)


class SharedClaims:
    """One per store. What is limited is looked at and claimed while nobody else does, until the transaction ends."""

    def __init__(self, lease_seconds: float) -> None:
        self.shares = Shares()
        self._lease = lease_seconds

    def claim(
        self, cursor: Cursor, lane: Lane, paused: Pauses, claimant: str, beyond_all: str
    ) -> tuple[list[Item], float | None]:
        """The items in the order of handling, and when there may be room for more."""
        shares = self.shares
        is_limited = any(map(shares.limits.concern, lane.queues))
        is_locked = is_limited and bool(cursor.execute(_SQL["lock_limits"]).fetchall()[0][0])
        waiting, used = self._look(cursor, lane, paused, beyond_all)
        takes, again_seconds = shares.decide(lane, waiting, used, is_locked=is_locked)
        if not takes:
            return [], again_seconds
        wish = {"claimant": claimant, "lease": self._lease, "is_limited": is_locked}
        rows = cursor.execute(_SQL["claim_shares"], wish | _columns(takes)).fetchall()
        items = in_turns(sorted(items_of(rows), key=in_order))
        if spent := shares.spent(items):
            self._spend(cursor, spent)
        return items, again_seconds

    def _look(self, cursor: Cursor, lane: Lane, paused: Pauses, beyond_all: str) -> tuple[list[Waiting], Used]:
        belows = tuple(min(self.shares.below(queue), beyond_all) for queue in lane.queues)
        bounds = {"flows": LOOK_FLOWS, "items": LOOK_ITEMS, "beyond_all": beyond_all}
        asked = {"queues": text_array(lane.queues), "belows": text_array(belows)}
        waiting: list[Waiting] = []
        in_flight: dict[Target, int] = {}
        buckets: dict[Target, float] = {}
        for kind, queue, site, priority, items, seconds in cursor.execute(_SQL["look"], asked | bounds):
            if kind == _IN_FLIGHT:
                in_flight[queue, site] = items
            elif kind == _BUCKET:
                buckets[queue, site] = seconds
            elif not paused.covers_site(queue, site):
                waiting.append(Waiting(queue, priority, site, items, seconds))
        return waiting, Used(in_flight, buckets)

    def _spend(self, cursor: Cursor, spent: dict[Target, float]) -> None:
        queues, sites = zip(*sorted(spent), strict=True)
        seconds = number_array([spent[target] for target in sorted(spent)])
        cursor.execute(_SQL["spend"], {"queues": text_array(queues), "sites": text_array(sites), "seconds": seconds})
        if self.shares.wants_to_forget:
            cursor.execute(_SQL["forget_buckets"])


def _columns(takes: Sequence[Take]) -> dict[str, Any]:
    queues, priorities, sites, counts = zip(*takes, strict=True)
    return {
        "queues": text_array(queues),
        "priorities": number_array(priorities),
        "sites": text_array(sites),
        "counts": number_array(counts),
    }

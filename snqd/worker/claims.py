"""What a worker holds: the claims that have not ended. Where nobody is told (`NoBook`), that is all that it notes."""

from __future__ import annotations

from collections import deque
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snqd.items import Item, ItemId, Line
    from snqd.worker.accounts import Batch, Reports, Settled

_id = itemgetter(0)


class Claims:
    """One per worker; the store's thread uses it. The main one calls `acked` and reads `ran`. See `Accounts`."""

    def __init__(self) -> None:
        self.held: dict[ItemId, Item] = {}
        """The claims that have not ended."""
        self.ran: dict[str, int] = {}
        """Handlings that have ended, by queue, since the process began: what its memory's growth is attributed by."""
        self._lost: set[tuple[ItemId, int]] = set()
        """Claims that were lost and will be reported of: item and token."""

    def claimed(self, items: Sequence[Item], lines: Mapping[Line, int]) -> None:  # noqa: ARG002  (`Accounts` needs it)
        """Hold what was claimed. `lines`: how many items of each line (see `lines_of`)."""
        held = self.held
        ids = list(map(_id, items))
        if not held.keys().isdisjoint(ids):  # our lease on it ran out and we were the next to claim it
            self._lost.update((number, held[number].token) for number in held.keys() & ids)
        held.update(zip(ids, items, strict=True))

    def acked(self, item: Item) -> None:
        """A handler's own transaction has acked the item. Call in the main thread, before it is reported."""

    def stage(self, reports: Reports, *, with_repeats: bool) -> Batch | None:  # noqa: ARG002  (`Accounts` needs them)
        """What `post` needs to know when the exchange that tells the store these is committed.

        `with_repeats`: of a claim there may be two reports, here or in an earlier exchange; the first one counts.
        """
        return None

    def post(
        self,
        batch: Batch | None,  # noqa: ARG002  (`Accounts` needs it, and what has changed)
        reports: Reports,
        changed: Mapping[ItemId, Settled],  # noqa: ARG002
    ) -> None:
        """The exchange is committed. `changed`: claims that have ended otherwise than was reported."""
        lost = self._lost
        items = reports.items
        if lost:
            items = tuple(item for item in items if (item.id, item.token) not in lost)
            lost.difference_update((item.id, item.token) for item in reports.items)
        deque(map(self.held.pop, map(_id, items), repeat(None)), maxlen=0)

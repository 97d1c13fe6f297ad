"""Claims whose end is not certain, because an answer of the store was lost with its connection.

An exchange is repeated when the store is back. If it had been carried out the first time, the store does not find its
claims any more, exactly as if their leases had run out; which of the two it was follows from the leases. A handler's
own transaction may have been committed too, although the handler's end looks like a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.worker.accounts import Settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import Item, ItemId


class Doubts:
    """Pure: the clock is an argument (monotonic). The main thread calls `doubt`, the store's thread the rest."""

    def __init__(self, lease_seconds: float, now: float) -> None:
        self._lease_seconds = lease_seconds
        self._renewed_at = now
        self._unanswered: set[ItemId] = set()
        self._perhaps_acked: set[ItemId] = set()

    def doubt(self, item: Item) -> None:
        """The item's own transaction failed in a way that may have been a commit. Call before it is reported."""
        self._perhaps_acked.add(item.id)

    def renewed(self, now: float) -> None:
        """Every claim that is held has a whole lease before it."""
        self._renewed_at = now

    def unanswered(self, items: Iterable[Item]) -> None:
        """An exchange that told the ends of these did not answer."""
        self._unanswered.update(item.id for item in items)

    def answered(self, items: Iterable[Item]) -> None:
        """An exchange answered; whatever was told before was told again in it."""
        self._unanswered.clear()
        if self._perhaps_acked:
            self._perhaps_acked.difference_update(item.id for item in items)

    def is_unanswered(self, item: Item) -> bool:
        return item.id in self._unanswered

    def changed(self, lost: Iterable[Item], now: float) -> dict[ItemId, Settled]:
        """What became of claims that the store did not find, where it is not what was reported."""
        is_leased = now < self._renewed_at + self._lease_seconds
        changed = {}
        for item in lost:
            if item.id in self._perhaps_acked:
                changed[item.id] = Settled.HANDLED
            elif not (is_leased and item.id in self._unanswered):
                changed[item.id] = Settled.LOST
        return changed

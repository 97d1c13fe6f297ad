"""Claims whose end is not certain, because an answer of the store was lost with its connection.

An exchange is repeated when the store is back. If it had been carried out the first time, the store does not find its
claims any more, exactly as if their leases had run out; which of the two it was follows from the leases.

A handler's own transaction may have been committed too, although the handler's end looks like a failure. The store is
asked which it was *before* the failure is told: afterwards, when an exchange that told it has lost its answer, a claim
that is gone may be an ack as well as a retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.records import ItemFilter
from snqd.worker.accounts import Settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import Item, ItemId
    from snqd.stores.base import Store


class Doubts:
    """Pure: the clock is an argument (monotonic). The main thread calls `doubt`, the store's thread the rest."""

    def __init__(self, lease_seconds: float, now: float) -> None:
        self._lease_seconds = lease_seconds
        self._renewed_at = now
        self._unanswered: set[ItemId] = set()
        self._perhaps_acked: set[ItemId] = set()
        self._acked: set[ItemId] = set()

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
        if self._acked:
            self._acked.difference_update(item.id for item in items)

    def to_ask(self, items: Iterable[Item]) -> list[Item]:
        """Those of `items` about which the store is to be asked before their ends are told."""
        return [item for item in items if item.id in self._perhaps_acked] if self._perhaps_acked else []

    def asked(self, items: Iterable[Item], acked: Iterable[Item]) -> None:
        """The store has said which of `items` their handlers' transactions have acked: the others were not."""
        self._perhaps_acked.difference_update(item.id for item in items)
        self._acked.update(item.id for item in acked)

    def is_unanswered(self, item: Item) -> bool:
        return item.id in self._unanswered

    def changed(self, lost: Iterable[Item], now: float) -> dict[ItemId, Settled]:
        """What became of claims that the store did not find, where it is not what was reported."""
        is_leased = now < self._renewed_at + self._lease_seconds
        changed = {}
        for item in lost:
            if item.id in self._acked:
                changed[item.id] = Settled.HANDLED
            elif not (is_leased and item.id in self._unanswered):
                changed[item.id] = Settled.LOST
        return changed


def acked_among(items: list[Item], store: Store) -> list[Item]:
    """Those whose handlers' own transactions have acked them. A commit that is still on its way is waited for."""
    gone = store.renew(items)
    if not gone or not store.shows_items:  # a broker does not tell: what it hands out again was not acked
        return []
    wanted = ItemFilter(ids=tuple(item.id for item in gone))  # the claim was lost, where the item is still to be found
    there = {record.id for record in (*store.find(wanted), *store.find_dead(wanted))}
    return [item for item in gone if item.id not in there]

"""Closing the account of a dead worker: what its part of the ledger does not know yet.

A worker may be killed between any two instructions. An exchange that it had announced was committed if the store does
not show its items as claimed any more. Then the ledger knows all ends of claims but those that came without an
exchange, and what the repair gave back must be what is still open; what is not comes from the worker's last moment.

A transaction of a handler commits by itself. Its item is on the board until the ack is noted in the ledger: what was
running, is not held any more, and was not the last to be noted was acked in the worker's last moment.

Who repairs may be killed too. Its successor sees that a repair had begun: then the items are no longer claimed because
they were given back, and how many of them is what is still open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.ledger import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName
    from snqd.stores.repairs import Repaired
    from snqd.telemetry.board import Running
    from snqd.telemetry.ledger import LedgerWriter
    from snqd.telemetry.no_book import NoBook

_Flow = tuple[str, str]
_KNOWN_ENDS = (Count.RECLAIMED, Count.FAILED, Count.HANDLED)


class Closing:
    """Call `begin`, repair, and call `finish`, holding the slot's lock."""

    def __init__(self, book: LedgerWriter | NoBook, handlers: Mapping[QueueName, BoundHandler]) -> None:
        self._book = book
        self._by_transaction = {queue for queue, handler in handlers.items() if handler.options.transactional}
        self._was_interrupted = False

    def begin(self, is_held: Callable[[int], bool]) -> None:
        """Look, before anything is given back. `is_held`: whether the store shows an item as the dead worker's."""
        book = self._book
        book.reopen()
        self._was_interrupted = book.is_being_repaired
        witness = book.witness
        if witness is not None and not is_held(witness):
            book.recover(is_committed=not self._was_interrupted)
        book.is_being_repaired = True

    def finish(self, repaired: Repaired, running: Sequence[Running] = ()) -> None:
        """Count what the repair did, in the dead worker's part of the ledger; every claim there has an end then.

        `running`: what the dead worker's slot of the board shows.
        """
        book = self._book
        witness = book.witness
        if witness is not None:  # a server may have carried out the last statement after `begin`
            book.recover(is_committed=witness not in repaired.ids)
        book.count_acks()
        still_open = book.open_claims()
        counts: dict[_Flow, dict[int, int]] = {flow: {} for flow in still_open}
        for queue, site, items in repaired.released:
            _add(counts, (queue, site), Count.RECLAIMED, items)
        for blamed in repaired.blamed:
            _add(counts, (blamed.queue, blamed.site), Count.FAILED, 1)
            if blamed.dead is not None:
                _add(counts, (blamed.queue, blamed.site), Count.DEAD_LETTERED, 1)
        for flow in self._acked_at_last(running, repaired):
            if flow in still_open:  # it is, but for a name that the board had no room for
                _add(counts, flow, Count.HANDLED, 1)
        for flow, known in counts.items():
            missing = still_open.get(flow, 0) - sum(known.get(end, 0) for end in _KNOWN_ENDS)
            if missing < 0:  # it was killed between the commit of a claim and counting it
                known[Count.CLAIMED] = -missing
            elif missing > 0:
                _add(counts, flow, self._end_of_missing(flow[0]), missing)
            book.count(*flow, known)
        book.is_being_repaired = False

    def _acked_at_last(self, running: Iterable[Running], repaired: Repaired) -> Iterable[_Flow]:
        """The flows of items whose transactions were committed and not noted, an item each.

        After an interruption nobody knows: the first repair may have given them back.
        """
        if self._was_interrupted:
            return
        noted = self._book.last_acked
        for each in running:
            if each.queue in self._by_transaction and each.item not in repaired.ids and each.item != noted:
                yield each.queue, each.site

    def _end_of_missing(self, queue: str) -> int:
        """What became of claims that were open and were not given back now."""
        if self._was_interrupted:
            return Count.RECLAIMED
        # Its own transaction acked it an instant before; or the lease ran out while the worker stood still.
        return Count.HANDLED if queue in self._by_transaction else Count.LEASES_LOST


def _add(counts: dict[_Flow, dict[int, int]], flow: _Flow, count: int, number: int) -> None:
    known = counts.setdefault(flow, {})
    known[count] = known.get(count, 0) + number

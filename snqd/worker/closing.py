"""Closing the account of a dead worker: what its part of the ledger does not know yet.

A worker may be killed between any two instructions. An exchange that it had announced was committed if the store does
not show its items as claimed any more. Then the ledger knows all ends of claims but those that came without an
exchange, and what the repair gave back must be what is still open; what is not comes from the worker's last moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.ledger import Count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName
    from snqd.stores.base import Repaired
    from snqd.telemetry.ledger import LedgerWriter


def close_account(book: LedgerWriter, repaired: Repaired, handlers: Mapping[QueueName, BoundHandler]) -> None:
    """Count what a repair did, in the dead worker's part of the ledger; every claim there has an end then."""
    if book.witness is not None:
        book.recover(is_committed=book.witness not in repaired.ids)
    book.reopen()
    still_open = book.open_claims()
    counts: dict[tuple[str, str], dict[int, int]] = {flow: {} for flow in still_open}

    def add(flow: tuple[str, str], count: int, number: int) -> None:
        known = counts.setdefault(flow, {})
        known[count] = known.get(count, 0) + number

    for queue, site, items in repaired.released:
        add((queue, site), Count.RECLAIMED, items)
    for blamed in repaired.blamed:
        add((blamed.queue, blamed.site), Count.FAILED, 1)
        if blamed.dead is not None:
            add((blamed.queue, blamed.site), Count.DEAD_LETTERED, 1)
    by_transaction = {str(queue) for queue, handler in handlers.items() if handler.options.transactional}
    for flow, known in counts.items():
        ended = known.get(Count.RECLAIMED, 0) + known.get(Count.FAILED, 0)
        missing = ended - still_open.get(flow, 0)
        if missing > 0:  # it was killed between the commit of a claim and counting it
            known[Count.CLAIMED] = missing
        elif missing < 0:  # acked in a handler's own transaction; or others have had the items meanwhile
            known[Count.HANDLED if flow[0] in by_transaction else Count.LEASES_LOST] = -missing
        count_flow(book, *flow, known)


def count_flow(book: LedgerWriter, queue: str, site: str, counts: Mapping[int, int]) -> None:
    """Count at once what was committed outside of an exchange."""
    row = book.row(queue, site)
    for count, number in counts.items():
        book.add(row, count, number)
    book.tell((row,))

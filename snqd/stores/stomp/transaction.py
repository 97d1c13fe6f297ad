"""What a transactional handler gets from the STOMP store: items that are sent if and only if its item is acked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqd.items import ItemId, NewItem


class StompTransaction:
    """Filled while the handler runs; sent together with the ack, or dropped."""

    def __init__(self) -> None:
        self.items: list[NewItem] = []


def enqueue(connection: StompTransaction, items: Sequence[NewItem]) -> list[ItemId | None]:
    """Send `items` with the transaction; their ids are not known yet."""
    connection.items.extend(items)
    return [None] * len(items)


def enqueue_many(connection: StompTransaction, items: Iterable[NewItem]) -> int:
    before = len(connection.items)
    connection.items.extend(items)
    return len(connection.items) - before

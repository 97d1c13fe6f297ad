"""Input: stored in order, counted when it is durable, and kept while the store is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from snqd.errors import StoreUnavailable
from snqd.items import NewItem, new_item
from snqd.xmpp import inbox as module
from snqd.xmpp.inbox import FULL, Inbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def item(number: int) -> NewItem:
    return new_item("xmppin", number)


class Store:
    def __init__(self) -> None:
        self.items: list[NewItem] = []
        self.calls = 0
        self.failures = 0
        self.may_store = asyncio.Event()
        self.may_store.set()

    async def put(self, items: Sequence[NewItem]) -> None:
        self.calls += 1
        await self.may_store.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        self.items += items


async def test_what_comes_together_is_stored_together_and_counted_then() -> None:
    store = Store()
    store.may_store.clear()
    told: list[int] = []
    inbox = Inbox(store.put, lambda: told.append(inbox.settled))
    inbox.take(None)
    assert (inbox.received, inbox.settled) == (1, 1), "nothing of it has to be stored"

    inbox.take(item(1))
    inbox.take(None)
    inbox.take(item(2))
    await asyncio.sleep(0.01)
    assert (inbox.received, inbox.settled) == (4, 1), "what is not stored yet is not acknowledged, nor what follows it"
    store.may_store.set()
    await inbox.settle()

    assert (inbox.settled, told, store.calls) == (4, [4], 1)
    assert store.items == [item(1), item(2)]


async def test_a_flood_is_stored_in_order_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 10)
    store = Store()
    settled: list[int] = []
    inbox = Inbox(store.put, lambda: settled.append(inbox.settled))
    for number in range(35):
        inbox.take(item(number))
        inbox.take(None)
    await inbox.settle()

    assert store.items == [item(number) for number in range(35)]
    assert settled == [19, 39, 59, 70]


async def test_the_store_may_be_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.001, 0.01))
    store = Store()
    store.failures = 5
    inbox = Inbox(store.put, lambda: None)
    for number in range(FULL):
        inbox.take(item(number))
    assert inbox.is_full, "nothing more is read meanwhile"
    await inbox.settle()

    assert store.items == [item(number) for number in range(FULL)]
    inbox.take(item(7))
    await inbox.settle()
    assert len(store.items) == FULL + 1

"""The memory store keeps the contract, as far as one process can tell."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.stores import memory
from snqd.stores.outcomes import Done
from tests.stores.contract import StoreContract
from tests.support.stores import OpenStore, Recipe, claim, lane, new, waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snqd.items import NewItem
    from snqd.stores.base import Store

_numbers = count(1)


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def recipe(self) -> Iterator[Recipe]:
        name = f"test{next(_numbers)}"
        yield Recipe("tests.support.stores:make_memory", name)
        memory.forget(name)

    def enqueue_on(self, connection: Any, items: Iterable[NewItem]) -> None:
        memory.enqueue(connection, list(items))

    def test_stores_of_one_name_share_their_items_and_others_do_not(self, store: Store, recipe: Recipe) -> None:
        same = memory.MemoryStore(StoreConfig(url=f"memory://{recipe.location}"))
        other = memory.MemoryStore(StoreConfig(url=f"memory://{recipe.location}.other"))
        store.enqueue([new()])

        assert len(claim(other)) == 0
        assert len(claim(same)) == 1
        memory.forget(f"{recipe.location}.other")

    def test_racing_threads_never_get_the_same_item(self, open_store: OpenStore) -> None:
        store = open_store()
        ids = store.enqueue([new() for _ in range(2000)])
        done: list[int] = []

        def drain() -> None:
            mine = open_store()
            held = claim(mine, limit=7)
            while held:
                done.extend(item.id for item in held)
                exchanged = mine.exchange([Done(item) for item in held], [lane(limit=7)])
                assert exchanged.lost == []
                held = exchanged.claimed

        threads = [threading.Thread(target=drain) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert Counter(done) == Counter(ids)
        assert waiting(store) == []

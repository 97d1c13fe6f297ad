"""The SQLite store keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.stores.sqlite import enqueue
from tests.stores.contract import SharedStoreContract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import NewItem
    from tests.support.stores import Recipe


class TestSqliteStore(SharedStoreContract):
    @pytest.fixture
    def recipe(self, sqlite_recipe: Recipe) -> Recipe:
        return sqlite_recipe

    def enqueue_on(self, connection: Any, items: Iterable[NewItem]) -> None:
        enqueue.enqueue(connection, list(items))

"""The contract of a store, on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.stores.postgres.enqueue import enqueue
from tests.stores.contract import SharedStoreContract
from tests.support.stores import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

    from snqd.items import NewItem
    from tests.support.postgres import Database


@pytest.mark.pg
class TestPostgresStore(SharedStoreContract):
    @pytest.fixture
    def recipe(self, pg_database: Database) -> Recipe:
        return Recipe("tests.support.postgres:make_postgres", pg_database.url)

    def enqueue_on(self, connection: Connection[object], items: Iterable[NewItem]) -> None:
        enqueue(connection, list(items))

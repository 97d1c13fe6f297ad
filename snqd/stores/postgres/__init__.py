"""The PostgreSQL store: production, many hosts on one database.

The driver is optional, so nothing here is imported before it is known to be there: use `open_postgres`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.errors import StoreError

if TYPE_CHECKING:
    from snqd.config.schema import StoreConfig
    from snqd.stores.postgres.store import PostgresStore


def open_postgres(config: StoreConfig) -> PostgresStore:
    """The store for `config.url`, not connected yet. Raises `StoreError` when psycopg is not installed."""
    try:
        from snqd.stores.postgres.store import PostgresStore
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "psycopg" and "libpq" not in str(error):
            raise
        raise StoreError("the PostgreSQL store needs psycopg: pip install 'snqd[postgres]'") from error
    return PostgresStore(config)

"""Opening what `store.url` names: a store, its desk, its enqueue functions on somebody else's connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from snqd.config.secrets import redact_url as redact
from snqd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from snqd.config.schema import Config
    from snqd.items import ItemId, NewItem, QueueName
    from snqd.stores.base import Store
    from snqd.stores.desk import Desk
    from snqd.stores.postgres.statusnet import Flow

POSTGRES_SCHEMES = ("postgresql", "postgres")
STOMP_SCHEMES = ("stomp", "stomps")


class EnqueueEngine(Protocol):
    """What a store's `enqueue` module offers on somebody else's connection."""

    def enqueue(self, connection: Any, items: Sequence[NewItem], /) -> list[ItemId | None]: ...

    def enqueue_many(self, connection: Any, items: Iterable[NewItem], /) -> int: ...


def open_store(
    config: Config,
    *,
    claimant: str = "",
    group_of: Mapping[str, str] | None = None,
    serves: Sequence[QueueName] = (),
) -> Store:
    """The store that `store.url` names, not connected yet. Raises `ConfigError`; `StoreError` without its driver.

    `group_of`: the groups of queues that have a handler, where they are known; a broker's destinations go by them.
    `serves`: the queues whose items the caller will claim; a broker needs to be told.
    """
    url = config.store.url
    scheme = urlsplit(url).scheme if "://" in url else ""
    store: Store
    if scheme == "sqlite":
        from snqd.stores.sqlite.store import SqliteStore

        store = SqliteStore(config.store)
    elif scheme in POSTGRES_SCHEMES or (not scheme and "=" in url):
        from snqd.stores.postgres import open_postgres

        store = open_postgres(config.store)
    elif scheme in STOMP_SCHEMES:
        from snqd.stores.stomp import open_stomp

        groups = {queue: found.group for queue, found in config.queue.items() if found.group is not None}
        store = open_stomp(config.store, {**groups, **(group_of or {})}, serves)
    elif scheme == "memory":
        from snqd.stores.memory import MemoryStore

        store = MemoryStore(config.store)
    elif scheme == "inline":
        from snqd.wiring.inline import open_inline

        store = open_inline(config)
    else:
        raise ConfigError(
            f"store.url {redact(url)!r} names no store: use sqlite:///file.db, postgresql://host/database, "
            "stomp://host/name, memory:// or inline://"
        )
    store.claimant = claimant
    return store


def open_desk(config: Config, *, name: str) -> Desk:
    """The desk of the store that `store.url` names. `name` shows in the database who has the connection."""
    url = config.store.url
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme == "sqlite":
        from snqd.stores.sqlite.desk import SqliteDesk

        return SqliteDesk(config.store)
    if scheme in POSTGRES_SCHEMES or (not scheme and "=" in url):
        open_store(config)  # its driver may be missing
        from snqd.stores.postgres.desk import PostgresDesk

        return PostgresDesk(config.store, name)
    if scheme in STOMP_SCHEMES:
        from snqd.stores.stomp import open_stomp_desk

        return open_stomp_desk(config.store)
    raise ConfigError(f"store.url is {redact(url)}: it lives in one process, which has nobody to ask")


def statusnet_importer(config: Config) -> Callable[..., list[Flow]]:
    """`carry_over` of the importer into this store. Raises `StoreError` where the store is not PostgreSQL."""
    if open_store(config).kind != "postgres":
        raise StoreError(
            "StatusNet's items can be imported into a PostgreSQL store only, and store.url is "
            f"{redact(config.store.url)}: give --store postgresql://host/database"
        )
    from snqd.stores.postgres.statusnet import carry_over

    return partial(carry_over, config.store)


def engine_of(connection: object) -> EnqueueEngine:
    """The enqueue functions for a driver's connection. Raises `StoreError` for one that is not known."""
    home = type(connection).__module__.partition(".")[0]
    if home == "sqlite3" or any(base.__module__.startswith("sqlite3") for base in type(connection).__mro__):
        from snqd.stores.sqlite import enqueue as sqlite

        return sqlite
    if home == "psycopg" or any(base.__module__.startswith("psycopg") for base in type(connection).__mro__):
        from snqd.stores.postgres import enqueue as postgres

        return postgres
    if type(connection).__module__ == "snqd.stores.stomp.transaction":
        from snqd.stores.stomp import transaction as stomp

        return stomp
    raise StoreError(
        f"cannot enqueue on a {type(connection).__module__}.{type(connection).__qualname__}: "
        "give a psycopg.Connection or a sqlite3.Connection"
    )


def sqlite_path(config: Config) -> Path | None:
    """The file of the SQLite store, None for other stores."""
    if not config.store.url.startswith("sqlite:"):
        return None
    from snqd.stores.sqlite.location import path_from_url

    return path_from_url(config.store.url)

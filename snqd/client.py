"""Enqueue from application code: on the application's own connection and transaction, or on a connection of ours.

On yours, the item exists if and only if your transaction commits:

    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO account ...")
        snqd.enqueue(connection, "welcome", {"account": 7}, site="example.net")

On ours, the call returns when the item is durable:

    with snqd.Client("postgresql:///app") as client:
        client.enqueue("welcome", {"account": 7})
        client.enqueue_many(snqd.new_item("welcome", {"account": n}) for n in range(1000))
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from snqd.config.schema import Config, StoreConfig
from snqd.errors import StoreUnavailable
from snqd.items import new_item
from snqd.wiring.stores import engine_of, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from snqd.items import ItemId, NewItem


def enqueue(connection: Any, queue: str, payload: Any, **options: Any) -> ItemId | None:
    """Store one item on your `psycopg.Connection` or `sqlite3.Connection`; its id, None if its unique key is taken.

    Never commits a transaction that you began. `options`: site, codec, priority, delay_seconds, at, unique_key, as of
    `new_item`. Raises `BadItem`, and the driver's own errors.
    """
    return engine_of(connection).enqueue(connection, [new_item(queue, payload, **options)])[0]


def enqueue_many(connection: Any, items: Iterable[NewItem]) -> int:
    """Store a batch on your connection, the fastest way it has; the number stored. See `enqueue`."""
    return engine_of(connection).enqueue_many(connection, items)


async def enqueue_async(connection: Any, queue: str, payload: Any, **options: Any) -> ItemId | None:
    """`enqueue` on your `psycopg.AsyncConnection`."""
    from snqd.stores.postgres import enqueue as postgres

    return (await postgres.enqueue_async(connection, [new_item(queue, payload, **options)]))[0]


async def enqueue_many_async(connection: Any, items: Iterable[NewItem]) -> int:
    """`enqueue_many` on your `psycopg.AsyncConnection`."""
    from snqd.stores.postgres import enqueue as postgres

    return await postgres.enqueue_many_async(connection, items)


class Client:
    """A connection of its own to a store. One thread at a time; connects at the first call.

    After `StoreUnavailable` the next call connects again. Whether the failed call has stored its item is then not
    known: give a `unique_key` where a second one would hurt.
    """

    def __init__(self, store: str | Config) -> None:
        """`store`: an address as of `store.url`, or a whole configuration (`inline://` needs handlers and sites)."""
        config = store if isinstance(store, Config) else Config(store=StoreConfig(url=store))
        self._frame_limit = config.store.frame_limit_bytes
        self._store = open_store(config)
        self._is_connected = False

    @classmethod
    def from_config(cls, file: str | None = None) -> Self:
        """A client of the store that a daemon's configuration names. `file` unset: found as `snqd run` finds it."""
        from snqd.config.load import Loader

        return cls(Loader(file=file).load().config)

    def enqueue(self, queue: str, payload: Any, **options: Any) -> ItemId | None:
        """Store one item; its id, None if its unique key is taken. `options` as of `new_item`."""
        options.setdefault("frame_limit_bytes", self._frame_limit)
        item = new_item(queue, payload, **options)
        self._connect()
        try:
            return self._store.enqueue([item])[0]
        except StoreUnavailable:
            self.close()
            raise

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        """Store a batch in one transaction; the number stored."""
        self._connect()
        try:
            return self._store.enqueue_many(items)
        except StoreUnavailable:
            self.close()
            raise

    def close(self) -> None:
        self._is_connected = False
        self._store.close()

    def _connect(self) -> None:
        if not self._is_connected:
            self._store.connect()
            self._is_connected = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """`Client` for asyncio: the same calls, awaited. Calls wait for one another, as on one connection."""

    def __init__(self, store: str | Config) -> None:
        self._client = Client(store)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snqd-client")

    async def enqueue(self, queue: str, payload: Any, **options: Any) -> ItemId | None:
        """See `Client.enqueue`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._client.enqueue(queue, payload, **options))

    async def enqueue_many(self, items: Iterable[NewItem]) -> int:
        """See `Client.enqueue_many`. `items` is iterated in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._client.enqueue_many, items)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._client.close)
        self._thread.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

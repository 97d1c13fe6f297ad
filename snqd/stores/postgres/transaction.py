"""Transactions in which handlers work: on a connection of their own, opened when the first handler asks for one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from snqd.errors import LeaseLost, StoreError
from snqd.stores.postgres.connection import Session, guarded
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.config.schema import StoreConfig
    from snqd.items import Item
    from snqd.stores.postgres.connection import Connection

_ACK = queries("postgres")["transaction"]


class HandlerTransactions:
    """`name` says what the connection is to be called on the server."""

    def __init__(self, config: StoreConfig, name: Callable[[], str]) -> None:
        self._config = config
        self._name = name
        self._session: Session | None = None

    @contextmanager
    def of(self, item: Item) -> Iterator[Connection]:
        """As `Store.transaction`. An error inside is the handler's own and passes through; only ours are translated."""
        session = self._open()
        connection = session.connection
        block = connection.transaction()
        with guarded(session.where):
            block.__enter__()
        try:
            with guarded(session.where):
                count = connection.execute(_ACK, {"id": item.id, "token": item.token}).rowcount
            if count == 0:
                raise LeaseLost(f"item {item.id} of queue {item.queue!r} is no longer ours: its lease ran out")
            yield connection
            _must_be_whole(connection)
        except BaseException as error:
            try:
                block.__exit__(type(error), error, error.__traceback__)
            except psycopg.Error:  # the handler's exception matters more; the next one gets a fresh connection
                connection.close()
            raise
        with guarded(session.where):
            block.__exit__(None, None, None)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> Session:
        if self._session is None or self._session.connection.closed:
            self._session = Session(self._config.url, "store.url", self._name(), is_worker=False)
        return self._session


def _must_be_whole(connection: Connection) -> None:
    """COMMIT of a failed transaction rolls back without an error, and then the item would not be acked."""
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        raise StoreError(
            "the handler's transaction cannot be committed: a statement in it failed, or the handler ended it"
        )

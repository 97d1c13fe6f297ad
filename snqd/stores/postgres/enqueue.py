"""Enqueue on the application's own connection, inside whatever transaction is open there.

None of these commits a transaction that the caller began: the items exist if and only if the caller's work does. On
a connection in autocommit mode with no transaction open, each call is one durable transaction of its own.

The items are taken as they are; `snqd.client` makes and checks them. Errors are the driver's own, as the connection is
the caller's.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from psycopg import AsyncCursor, Cursor
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from snqd.items import ItemId
from snqd.stores.postgres.copy import PlainRows, timed_rows, whole
from snqd.stores.postgres.stream import LOT, Stream
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import AsyncConnection, Connection

    from snqd.items import NewItem

_SQL = queries("postgres")
_ONE = _SQL["enqueue"]
_ALONE = _SQL["enqueue_alone"]
_ANY = _SQL["enqueue_any"]
SLICE = 5000
"""Items that are kept at a time: memory stays bounded however long the iterable is."""


def enqueue(connection: Connection[Any], items: Sequence[NewItem]) -> list[ItemId | None]:
    """Store items; their ids in order, None for one whose unique key is taken. One round trip for one item."""
    cursor = Cursor(connection, row_factory=tuple_row)
    if len(items) == 1:
        return [_id(cursor.execute(*_statement(items[0], _is_alone(connection))).fetchone())]
    with _together(connection):
        return [_id(cursor.execute(*_statement(item)).fetchone()) for item in items]


async def enqueue_async(connection: AsyncConnection[Any], items: Sequence[NewItem]) -> list[ItemId | None]:
    """`enqueue` for psycopg's async connection."""
    cursor = AsyncCursor(connection, row_factory=tuple_row)
    if len(items) == 1:
        return [_id(await (await cursor.execute(*_statement(items[0], _is_alone(connection)))).fetchone())]
    async with _together_async(connection):
        return [_id(await (await cursor.execute(*_statement(item))).fetchone()) for item in items]


def enqueue_many(connection: Connection[Any], items: Iterable[NewItem]) -> int:
    """Store items by COPY, in one transaction; the number stored (those with a taken unique key are not).

    `items` are taken before a COPY begins, as they may come from a cursor on the same connection.
    """
    stored, rows = 0, PlainRows()
    with _together(connection), Cursor(connection, row_factory=tuple_row) as cursor:
        for plain, others in _slices(items):
            if plain:
                with cursor.copy(_SQL["copy"]) as copy:
                    copy.write(whole((rows.of(plain),)))
                stored += cursor.rowcount
            stored += _store_others(cursor, others)
    return stored


def enqueue_stream(connection: Connection[Any], items: Iterable[NewItem]) -> int:
    """`enqueue_many` on a connection of our own: the server stores the first items while the next ones are made."""
    stored = 0
    source = iter(items)
    others: list[NewItem] = []
    with connection.transaction(), Cursor(connection, row_factory=tuple_row) as cursor, Stream(connection) as stream:
        while lot := list(islice(source, LOT)):
            if plain := _plain_of(lot, others):
                stream.add(plain)
            if len(others) >= SLICE:
                stored += stream.finish() + _store_others(cursor, others)
                others.clear()
        return stored + stream.finish() + _store_others(cursor, others)


def _store_others(cursor: Cursor[Any], items: Sequence[NewItem]) -> int:
    """Items with a time or a unique key."""
    stored = 0
    timed, unique = _timed_and_unique(items)
    if timed:
        now_us = _number(cursor.execute(_SQL["server_time"]).fetchone())
        with cursor.copy(_SQL["copy_timed"]) as copy:
            copy.write(timed_rows(timed, now_us))
        stored += cursor.rowcount
    if unique:  # COPY cannot pass over a duplicate
        cursor.executemany(_ANY, [_parameters(item) for item in unique])
        stored += cursor.rowcount
    return stored


async def enqueue_many_async(connection: AsyncConnection[Any], items: Iterable[NewItem]) -> int:
    """`enqueue_many` for psycopg's async connection."""
    stored, rows = 0, PlainRows()
    async with _together_async(connection), AsyncCursor(connection, row_factory=tuple_row) as cursor:
        for plain, others in _slices(items):
            timed, unique = _timed_and_unique(others)
            if plain:
                async with cursor.copy(_SQL["copy"]) as copy:
                    await copy.write(whole((rows.of(plain),)))
                stored += cursor.rowcount
            if timed:
                now_us = _number(await (await cursor.execute(_SQL["server_time"])).fetchone())
                async with cursor.copy(_SQL["copy_timed"]) as copy:
                    await copy.write(timed_rows(timed, now_us))
                stored += cursor.rowcount
            if unique:
                await cursor.executemany(_ANY, [_parameters(item) for item in unique])
                stored += cursor.rowcount
    return stored


def _slices(items: Iterable[NewItem]) -> Iterator[tuple[list[NewItem], list[NewItem]]]:
    """Slices of the items, each parted into those that go at once and those that need more."""
    source = iter(items)
    while taken := list(islice(source, SLICE)):
        others: list[NewItem] = []
        yield _plain_of(taken, others), others


def _plain_of(items: list[NewItem], others: list[NewItem]) -> list[NewItem]:
    if all(map(is_plain, items)):
        return items
    others += [item for item in items if not is_plain(item)]
    return [item for item in items if is_plain(item)]


def _timed_and_unique(items: Iterable[NewItem]) -> tuple[list[NewItem], list[NewItem]]:
    timed: list[NewItem] = []
    unique: list[NewItem] = []
    for item in items:
        (timed if item.unique_key is None else unique).append(item)
    return timed, unique


def is_plain(item: NewItem) -> bool:
    """Whether the item goes at once and has no unique key."""
    return item.unique_key is None and item.available_at is None and item.delay_seconds <= 0


def plain_values(item: NewItem) -> tuple[Any, ...]:
    """The values of the queries `enqueue` and `enqueue_alone`."""
    return (item.queue, item.frame, item.codec, item.site, item.priority)


def _statement(item: NewItem, is_alone: bool = False) -> tuple[str, Any]:
    if is_plain(item):
        return (_ALONE if is_alone else _ONE), plain_values(item)
    return _ANY, _parameters(item)


def _parameters(item: NewItem) -> dict[str, Any]:
    return {
        "queue": item.queue,
        "frame": item.frame,
        "codec": item.codec,
        "site": item.site,
        "priority": item.priority,
        "available_at": item.available_at,
        "delay": max(item.delay_seconds, 0.0),
        "unique_key": item.unique_key,
    }


def _is_open(connection: Connection[Any] | AsyncConnection[Any]) -> bool:
    """Whether the caller has, or by its mode will have, a transaction that it commits itself."""
    return not connection.autocommit or connection.pgconn.transaction_status != TransactionStatus.IDLE


def _is_alone(connection: Connection[Any] | AsyncConnection[Any]) -> bool:
    """Whether a statement executed now is committed by itself."""
    return not _is_open(connection) and connection.pgconn.pipeline_status == PipelineStatus.OFF


def _together(connection: Connection[Any]) -> AbstractContextManager[Any]:
    return nullcontext() if _is_open(connection) else connection.transaction()


def _together_async(connection: AsyncConnection[Any]) -> AbstractAsyncContextManager[Any]:
    return nullcontext() if _is_open(connection) else connection.transaction()


def _id(row: tuple[Any, ...] | None) -> ItemId | None:
    return None if row is None else ItemId(row[0])


def _number(row: tuple[Any, ...] | None) -> int:
    assert row is not None
    return int(row[0])

"""Enqueue on a connection of the caller's own: the items commit, or vanish, with the caller's transaction."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from snqd.errors import BadItem, SnqdError, StoreError
from snqd.items import PRIORITY_HIGHEST, PRIORITY_LOWEST, ItemId
from snqd.stores.history import plain_text
from snqd.stores.sql import queries
from snqd.stores.sqlite.connection import is_busy, now, pause, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from snqd.items import NewItem


_INSERT = queries("sqlite")["insert"]
_INSERT_RETURNING = queries("sqlite")["insert_returning"]


def enqueue(connection: sqlite3.Connection, items: Sequence[NewItem]) -> list[ItemId | None]:
    """Store `items`; the id of each, None for one whose unique key is taken.

    Inside the caller's transaction if one is open (nothing is durable until it commits), else in one of its own.
    How long it waits for the write lock is the connection's `timeout`. Raises `BadItem`, `StoreUnavailable` (the
    file is locked, the disk is full), `StoreError` (no snqd tables in this database).
    """
    rows = list(rows_of(items))
    with _transaction(connection) as cursor:
        return insert(cursor, rows)


def enqueue_many(connection: sqlite3.Connection, items: Iterable[NewItem]) -> int:
    """Store a batch the fastest way; the number stored (items whose unique key is taken are not). As `enqueue`."""
    rows = list(rows_of(items))  # before the transaction: a slow iterable must not hold the write lock
    with _transaction(connection) as cursor:
        return insert_many(cursor, rows)


def rows_of(items: Iterable[NewItem]) -> Iterator[tuple[Any, ...]]:
    """The rows to insert. Raises `BadItem` for values that no table can hold."""
    clock = now()
    for queue, frame, codec, site, priority, delay, available_at, unique_key in items:
        if available_at is None:
            available_at = clock + delay if delay > 0.0 else clock
        if not (math.isfinite(available_at) and math.isfinite(delay)):
            raise BadItem(f"queue {queue!r}: the item's delay or time is not a finite number of seconds")
        if not PRIORITY_LOWEST <= priority <= PRIORITY_HIGHEST:
            raise BadItem(f"queue {queue!r}: priority is {priority}, must be {PRIORITY_LOWEST} to {PRIORITY_HIGHEST}")
        state = "scheduled" if available_at > clock else "ready"
        key = unique_key if unique_key is None else plain_text(unique_key)
        yield site, queue, codec, priority, clock, available_at, state, key, bytes(frame)


def insert(cursor: sqlite3.Cursor, rows: Iterable[tuple[Any, ...]]) -> list[ItemId | None]:
    """Insert rows of `rows_of` one by one, telling their ids."""
    found = (cursor.execute(_INSERT_RETURNING, row).fetchone() for row in rows)
    return [None if row is None else ItemId(row[0]) for row in found]


def insert_many(cursor: sqlite3.Cursor, rows: list[tuple[Any, ...]]) -> int:
    """Insert rows of `rows_of`; the number stored."""
    return max(cursor.executemany(_INSERT, rows).rowcount, 0)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """A cursor in the caller's transaction, else in a new one that commits. Errors are ours."""
    cursor = connection.cursor()
    cursor.row_factory = None  # the caller may have set one: rows are tuples here
    own = not connection.in_transaction
    try:
        if own:
            _begin(connection, cursor)
        yield cursor
        if own:
            cursor.execute("COMMIT")
    except BaseException as error:
        if own and connection.in_transaction:
            cursor.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise translated_here(connection, error) from error
        raise
    finally:
        cursor.close()


def _begin(connection: sqlite3.Connection, cursor: sqlite3.Cursor) -> None:
    """Begin as soon as the write lock is free, for as long as the connection's `timeout`.

    SQLite would come to look for it only ten times a second: next to a dozen busy processes, too late for seconds.
    """
    (timeout_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    cursor.execute("PRAGMA busy_timeout = 0")
    started = time.monotonic()
    try:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                waited = time.monotonic() - started
                if not is_busy(error) or waited * 1000.0 >= timeout_ms:
                    raise translated(error, _file_of(connection), waited) from error
                pause(waited)
            else:
                return
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {timeout_ms}")


def translated_here(connection: sqlite3.Connection, error: sqlite3.Error) -> SnqdError:
    """As `translated`, knowing that the database may not be ours."""
    if "no such table" in str(error):
        return StoreError(
            f"{_file_of(connection)} has no snqd tables: run `snqd schema upgrade`, or check which file it is"
        )
    return translated(error, _file_of(connection))


def _file_of(connection: sqlite3.Connection) -> str:
    cursor = connection.cursor()
    cursor.row_factory = None
    with suppress(sqlite3.Error):
        for _number, name, file in cursor.execute("PRAGMA database_list"):
            if name == "main" and file:
                return str(file)
    return "the database"

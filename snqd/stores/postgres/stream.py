"""Many items over a connection of our own: the server stores some while the next ones are made.

They go in several COPYs of some hundred rows, for a server begins to store what a binary COPY brings when it has 1,000
rows or the COPY ends: in a COPY of a thousand it does nothing while we make items, and we nothing while it stores them.
Also, for each row it searches a list that is as long as the COPY: an eighth of its time at 1,000 (PostgreSQL 15).

Nobody waits who has something to do. After each lot of items we look whether the server is free, and if it is, it gets
what has gathered: so the first COPY is small, the next ones are as large as the server is slow. Only when enough for a
whole COPY has gathered do we wait. Where the way to the server is long, fewer and larger COPYs are better.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from snqd.stores.postgres.copy import PlainRows, whole
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, Self

    from psycopg import Connection
    from psycopg.pq.abc import PGconn, PGresult

    from snqd.items import NewItem

LOT = 32
"""Items that are made between two looks at the server: a tenth of a millisecond's work."""
NEAR_ROWS, FAR_ROWS = 256, 1000
"""Rows that a COPY waits for at most, and with whom: fewer than 250 cost the server more for beginnings and ends."""
BYTES = 1024 * 1024
"""The same in bytes: what is held does not depend on how many large frames there are."""
FAR_SECONDS = 0.0005
"""A server that takes longer to begin a COPY is far away. (On the same host it takes 0.05 to 0.2 milliseconds.)"""
_PATIENCE_SECONDS = 0.2
_CANCEL_SECONDS = 2.0
_COPY = queries("postgres")["copy"].encode()


class _State(Enum):
    FREE = auto()
    """The server waits for a statement."""
    OPENING = auto()
    """It was told that rows will come."""
    STORING = auto()
    """It has all rows of the COPY."""


class Stream:
    """Use as a context manager inside a transaction. An error inside leaves the connection ready for its rollback."""

    def __init__(self, connection: Connection[Any]) -> None:
        """`connection`: in a transaction, UTF-8, no pipeline."""
        self._connection = connection
        self._pgconn = connection.pgconn
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        self._rows = PlainRows()
        self._gathered: list[bytes] = []
        self._row_count = self._byte_count = 0
        self._row_limit = NEAR_ROWS
        self._is_given_up = False
        self._state = _State.FREE
        self._asked_at = 0.0
        self._stored = 0

    def add(self, items: Sequence[NewItem]) -> None:
        """Take some plain items, about `LOT`. Raises `BadItem`, and the driver's errors, also for earlier items."""
        rows = self._rows.of(items)
        self._gathered.append(rows)
        self._row_count += len(items)
        self._byte_count += len(rows)
        self._look()
        while self._row_count >= self._row_limit or self._byte_count >= BYTES:
            self._wait()

    def finish(self) -> int:
        """Send the rest and wait until all is stored; how many rows were since the last time."""
        while self._gathered or self._state is not _State.FREE:
            self._wait()
        stored, self._stored = self._stored, 0
        return stored

    def _look(self) -> None:
        """Do what can be done without waiting."""
        self._turn(0)

    def _wait(self) -> None:
        """Wait until the server has said something, and do what follows."""
        self._turn(None)

    def _turn(self, milliseconds: int | None) -> None:
        if self._state is _State.FREE:
            self._open()
        if self._poll.poll(milliseconds):
            self._hear()
            if self._state is _State.FREE and self._gathered:
                self._open()

    def _open(self) -> None:
        self._state = _State.OPENING
        self._asked_at = time.monotonic()
        self._pgconn.send_query(_COPY)
        flush(self._pgconn)

    def _hear(self) -> None:
        """Take in what the server says without waiting for more."""
        self._pgconn.consume_input()
        while self._state is not _State.FREE and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                self._state = _State.FREE
            elif result.status == ExecStatus.COPY_IN:
                self._send()
            elif not self._is_given_up:
                self._stored += _rows_of(result, self._connection)

    def _send(self) -> None:
        """The server wants rows: all that have gathered, and the end."""
        self._state = _State.STORING
        if self._is_given_up:
            self._pgconn.put_copy_end(b"the items could not be made")
        else:
            is_near = time.monotonic() - self._asked_at < FAR_SECONDS
            self._row_limit = NEAR_ROWS if is_near else FAR_ROWS
            self._pgconn.put_copy_data(whole(self._gathered))
            self._gathered, self._row_count, self._byte_count = [], 0, 0
            self._pgconn.put_copy_end()
        flush(self._pgconn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """After an error (the caller's, the server's, Ctrl-C): end the COPY, or if that cannot be, the connection."""
        self._is_given_up = True
        try:
            with suppress(psycopg.Error):
                if not self._is_free_within(_PATIENCE_SECONDS):
                    self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
                    self._is_free_within(_CANCEL_SECONDS)
        finally:
            if self._state is not _State.FREE:
                self._connection.close()

    def _is_free_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        self._hear()  # the rest of an answer may be here already
        while self._state is not _State.FREE:
            if not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
                return False
            self._hear()
        return True


def _rows_of(result: PGresult, connection: Connection[Any]) -> int:
    """Rows that a COPY has stored. Raises the driver's error if it failed."""
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result, connection.info.encoding)
    return result.command_tuples or 0


def flush(pgconn: PGconn) -> None:
    """Send what libpq holds back, waiting where the socket's buffer is full."""
    while pgconn.flush():
        readable, _, _ = select.select([pgconn.socket], [pgconn.socket], [])
        if readable:  # the server may have to say something first
            pgconn.consume_input()

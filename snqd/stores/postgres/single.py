"""One plain item by one prepared INSERT, past the driver's layers: 25 of its 300 microseconds were theirs.

What they do for every query (convert by type, look for a plan, choose a loader, make a row) is known here beforehand.
The wait is a `poll` in Python, so that Ctrl-C works while a server says nothing. Only for a connection of our own:
in autocommit mode, not pooled, UTF-8, no pipeline.
"""

from __future__ import annotations

import select
import struct
from typing import TYPE_CHECKING

from psycopg import OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus

from snqd.errors import BadItem
from snqd.items import ItemId
from snqd.stores.postgres.stream import flush
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection
    from psycopg.pq.abc import PGresult

    from snqd.items import NewItem

_NAME = b"snqd_single"
_TEXT, _BYTEA, _SMALLINT = 25, 17, 21
_TYPES = (_TEXT, _BYTEA, _TEXT, _TEXT, _SMALLINT)
_BINARY = 1
_FORMATS = (_BINARY,) * len(_TYPES)
_CANCEL_SECONDS = 2.0
_smallint = struct.Struct(">h").pack


class SingleInsert:
    """The prepared statement `enqueue_single` of one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        """Prepare it. Raises the driver's errors."""
        self._connection = connection
        self._pgconn = connection.pgconn
        self._encoding = connection.info.encoding
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        query = queries("postgres")["enqueue_single"].encode()
        self._check(self._pgconn.prepare(_NAME, query, _TYPES), ExecStatus.COMMAND_OK)

    def insert(self, item: NewItem) -> ItemId:
        """Store a plain item and commit; its id. Raises `BadItem`, and the driver's errors."""
        queue, frame, codec, site, priority, _delay, _at, _key = item
        try:
            number = _smallint(priority)
        except struct.error:
            raise BadItem(f"priority {priority!r} of an item of queue {queue!r} is not in -32768..32767") from None
        values = (queue.encode(), frame, codec.encode(), site.encode(), number)
        pgconn = self._pgconn
        pgconn.send_query_prepared(_NAME, values, _FORMATS, _BINARY)
        flush(pgconn)
        self._wait_for_answer()
        result = pgconn.get_result()
        while pgconn.get_result() is not None:
            pass  # the end of the answer, which is there
        self._check(result, ExecStatus.TUPLES_OK)
        assert result is not None
        return ItemId(int.from_bytes(result.get_value(0, 0) or b"", "big"))

    def _wait_for_answer(self) -> None:
        try:
            self._poll.poll()
        except BaseException:  # Ctrl-C: leave the connection as it was found, or closed
            self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
            if not self._poll.poll(_CANCEL_SECONDS * 1000):
                self._connection.close()
            while self._pgconn.status == ConnStatus.OK and self._pgconn.get_result() is not None:
                pass
            raise

    def _check(self, result: PGresult | None, wanted: ExecStatus) -> None:
        if result is None:
            raise OperationalError(self._pgconn.get_error_message())
        if result.status != wanted:
            raise error_from_result(result, self._encoding)

"""A vacuum of the items' table by the daemon itself, when autovacuum comes too seldom.

Autovacuum looks once a minute (`autovacuum_naptime`), and a busy queue leaves four million dead rows behind in that
time: more than 1 GB of table and indexes, of which a server with stock settings keeps a tenth in memory. Then all costs
more: pages are thrown out and written, indexes grow. Vacuumed every few hundred thousand dead rows instead, everything
stays in memory, and the vacuum costs half as much for each row, since it finds them there too.

Only the table's owner may vacuum it (and from PostgreSQL 17 who was granted MAINTAIN); for others this does nothing. It
runs on a connection of its own and nobody waits for it. The end of the file is left as it is, because to cut it off
locks everybody out for a moment; autovacuum does that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from snqd.errors import SnqdError
from snqd.stores.postgres.connection import connect
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.schema import StoreConfig
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")
_REST_SHARE = 4
"""After a vacuum, so many times its length without one: with ten million items waiting it takes seconds."""
_RETRY_SECONDS = 60.0


class VacuumPace:
    """Decides when. Times are monotonic seconds. `bound`: dead rows that are too many, 0 for never."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._left_behind = 0
        self._not_before = 0.0
        self._began = 0.0
        self._seconds = 0.0

    def is_due(self, dead_rows: int, now: float) -> bool:
        """Whether to begin. Rows that the last one had to leave, as some transaction may see them, do not count."""
        self._left_behind = min(self._left_behind, dead_rows)
        return 0 < self._bound <= dead_rows - self._left_behind and now >= self._not_before

    def began(self, now: float) -> None:
        self._began, self._seconds = now, 0.0

    def still_runs(self, now: float) -> None:
        self._seconds = now - self._began

    def ended(self, dead_rows: int, now: float) -> None:
        """Noticed now, seconds after it happened: hence it lasted as long as it was seen to run."""
        self._left_behind = dead_rows if dead_rows >= self._bound else 0  # few: they died since
        self._not_before = now + _REST_SHARE * self._seconds

    def failed(self, now: float) -> None:
        self._not_before = now + _RETRY_SECONDS


class Vacuum:
    """Connects when it is first needed. Nothing here waits for a vacuum or raises: the work goes on without it."""

    def __init__(self, config: StoreConfig, application_name: Callable[[], str]) -> None:
        self._address = config.listen_url or config.url
        self._application_name = application_name
        self._pace = VacuumPace(config.vacuum_dead_rows)
        self._connection: Connection | None = None
        self._is_running = False

    def look(self, count_dead_rows: Callable[[], int]) -> None:
        """Told every few seconds: begin a vacuum, or note that it has ended. Raises only what `count_dead_rows` does.

        After a vacuum the rows are counted anew, since those that it removed say nothing about what it left.
        """
        now = time.monotonic()
        if self._is_running:
            if not self._try(self._has_ended, now):
                self._pace.still_runs(now)
                return
            self._is_running = False
            self._pace.ended(count_dead_rows(), now)
        if self._pace.is_due(count_dead_rows(), now):
            self._try(self._begin, now)

    def _try(self, step: Callable[[], bool], now: float) -> bool:
        try:
            return step()
        except (psycopg.Error, SnqdError):  # the connection may be gone or forbidden; autovacuum is still there
            self.close()
            self._pace.failed(now)
            return False

    def close(self) -> None:
        """Hang up. A vacuum that runs is finished by the server."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_running = None, False

    def _begin(self) -> bool:
        if self._connection is None:
            self._connection = connect(self._address, "store.url", self._application_name())
        is_allowed, is_being_done = self._connection.execute(_SQL["may_vacuum"]).fetchone() or (False, False)
        if not is_allowed:
            self.close()
            self._pace.failed(time.monotonic())
        elif not is_being_done:
            self._connection.pgconn.send_query(_SQL["vacuum"].encode())
            self._connection.pgconn.flush()
            self._is_running = True
            self._pace.began(time.monotonic())
        return self._is_running

    def _has_ended(self) -> bool:
        assert self._connection is not None
        pgconn = self._connection.pgconn
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                return True
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result, self._connection.info.encoding)
        return False

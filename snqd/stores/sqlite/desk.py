"""`SqliteDesk`: requests, answers and sites in the file. A file has one daemon, so that one is all there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.stores.desk import GONE_SECONDS, KEPT_SECONDS, Answered, Asking, Present, Seat, SiteRow
from snqd.stores.sql import queries
from snqd.stores.sqlite import schema
from snqd.stores.sqlite.connection import Connection, now
from snqd.stores.sqlite.location import path_from_url

if TYPE_CHECKING:
    from snqd.config.schema import StoreConfig

_SQL = queries("sqlite_desk")
_LOCK_WAIT_SECONDS = 10.0

Rows = list[tuple[Any, ...]]


class SqliteDesk:
    """See `snqd.stores.desk.Desk`."""

    def __init__(self, config: StoreConfig) -> None:
        """Raises `ConfigError` when `config.url` names no file."""
        self._path = path_from_url(config.url)
        self._synchronous = config.synchronous
        self._connection: Connection | None = None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def be_seen(self, seat: Seat, *, boot: int, version: str) -> None:
        self._write("be_seen", **seat._asdict(), boot=boot, version=version)

    def leave(self, seat: Seat) -> None:
        self._write("leave", **seat._asdict())

    def present(self) -> list[Present]:
        return [Present(Seat(*row[:3]), *row[3:]) for row in self._read("present", seconds=GONE_SECONDS)]

    def ask(self, ask: str, arguments: str, *, author: str, seconds: float) -> int:
        self._write("forget", seconds=KEPT_SECONDS)
        self._write("forget_answers")
        ((number,),) = self._write("ask", ask=ask, arguments=arguments, author=author, seconds=seconds)
        return int(number)

    def requests(self, seat: Seat) -> list[Asking]:
        return [Asking(*row) for row in self._read("requests", **seat._asdict())]

    def answer(self, request: int, seat: Seat, *, obeyed: bool, said: str) -> None:
        self._write("answer", request=request, **seat._asdict(), obeyed=obeyed, said=said)

    def answers(self, request: int) -> list[Answered]:
        rows = self._read("answers", request=request)
        return [Answered(Seat(*row[:3]), bool(row[3]), row[4]) for row in rows]

    def site_number(self) -> int:
        ((number,),) = self._read("site_number")
        return int(number)

    def sites(self) -> list[SiteRow]:
        return [SiteRow(*row) for row in self._read("sites")]

    def open_wakeups(self) -> list[int]:
        return []

    def read_wakeups(self) -> bool:
        return False

    def _read(self, query: str, **values: Any) -> Rows:
        return self._open().read(lambda raw: raw.execute(_SQL[query], {**values, "now": now()}).fetchall())

    def _write(self, query: str, **values: Any) -> Rows:
        return self._open().write(lambda raw: raw.execute(_SQL[query], {**values, "now": now()}).fetchall())

    def _open(self) -> Connection:
        if self._connection is None:
            connection = Connection(self._path, synchronous=self._synchronous, lock_wait_seconds=_LOCK_WAIT_SECONDS)
            try:
                schema.check(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

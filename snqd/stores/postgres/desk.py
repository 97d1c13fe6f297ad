"""`PostgresDesk`: requests, answers and sites in the database, on one connection that also listens.

It has little to do, so unlike a worker's listener it may both listen and ask. Behind a transaction pooler no
notification arrives, and the hub's polling is all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ConnStatus

from snqd.errors import StoreUnavailable
from snqd.stores.desk import GONE_SECONDS, KEPT_SECONDS, Answered, Asking, Present, Seat, SiteRow
from snqd.stores.postgres import schema
from snqd.stores.postgres.connection import Session, guarded
from snqd.stores.postgres.texts import storable
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from psycopg import Cursor, Notify

    from snqd.config.schema import StoreConfig

CHANNEL = "snqd_control"
_SQL = queries("postgres_desk")


class PostgresDesk:
    """See `snqd.stores.desk.Desk`."""

    def __init__(self, config: StoreConfig, name: str) -> None:
        self._config = config
        self._name = name
        self._session: Session | None = None
        self._has_heard = False

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def be_seen(self, seat: Seat, *, boot: int, version: str) -> None:
        self._execute("forget_daemons", seconds=KEPT_SECONDS)
        self._execute("be_seen", **seat._asdict(), boot=boot, version=version)

    def leave(self, seat: Seat) -> None:
        self._execute("leave", **seat._asdict())

    def present(self) -> list[Present]:
        return [Present(Seat(*row[:3]), *row[3:]) for row in self._execute("present", seconds=GONE_SECONDS)]

    def ask(self, ask: str, arguments: str, *, author: str, seconds: float) -> int:
        self._execute("forget", seconds=KEPT_SECONDS)
        ((number,),) = self._execute("ask", ask=ask, arguments=arguments, author=storable(author), seconds=seconds)
        return int(number)

    def requests(self, seat: Seat) -> list[Asking]:
        return [Asking(*row) for row in self._execute("requests", **seat._asdict())]

    def answer(self, request: int, seat: Seat, *, obeyed: bool, said: str) -> None:
        self._execute("answer", request=request, **seat._asdict(), obeyed=obeyed, said=storable(said))

    def answers(self, request: int) -> list[Answered]:
        return [Answered(Seat(*row[:3]), *row[3:]) for row in self._execute("answers", request=request)]

    def site_number(self) -> int:
        ((number,),) = self._execute("site_number")
        return int(number)

    def sites(self) -> list[SiteRow]:
        return [SiteRow(*row) for row in self._execute("sites")]

    def open_wakeups(self) -> list[int]:
        session = self._open()
        if session.pooled or not self._config.listen:
            return []
        return [session.connection.pgconn.socket]

    def read_wakeups(self) -> bool:
        connection = self._open().connection.pgconn
        try:
            connection.consume_input()
            while connection.notifies() is not None:
                self._has_heard = True
        except psycopg.Error as error:
            self.close()
            raise StoreUnavailable(f"the connection that listens for requests was lost: {error}") from error
        if connection.status == ConnStatus.BAD:
            self.close()
            raise StoreUnavailable("the connection that listens for requests was closed by the server")
        has_heard, self._has_heard = self._has_heard, False
        return has_heard

    def _execute(self, query: str, **parameters: Any) -> Cursor[tuple[Any, ...]]:
        session = self._open()
        try:
            with guarded(session.where):
                return session.connection.execute(_SQL[query], parameters)
        except StoreUnavailable:
            self.close()
            raise

    def _open(self) -> Session:
        if self._session is None:
            session = Session(self._config.url, "store.url", f"snqd {self._name}", is_worker=False)
            try:
                with guarded(session.where):
                    schema.check(session.connection, session.where)
                    if self._config.listen and not session.pooled:
                        session.connection.add_notify_handler(self._heard)  # those that come while a question is asked
                        session.connection.execute(f"LISTEN {CHANNEL}".encode())
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def _heard(self, _notification: Notify) -> None:
        self._has_heard = True

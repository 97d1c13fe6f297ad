"""`Listener`: the one connection of a host and group that hears of new items.

It runs nothing but LISTEN: a connection that both listens and queries stalls both. Enqueuers send a notification at
commit, but at most one in `WAKE_DEBOUNCE_SECONDS` for the whole database (the trigger `snqd_inserted`, see
`db/postgres/0001_*.sql`), so an item may come without one if another item's was sent just before. Hence a worker
that was woken, or that found something, looks once more after `LINGER_SECONDS`: the debounce, and time for a commit.

A notification that never arrives is silent: a transaction pooler swallows it, a firewall forgets the connection. So the
listener is tested: with a probe, sent from the query connection, when it is opened and from time to time after.
"""

from __future__ import annotations

import secrets
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from snqd.errors import StoreUnavailable
from snqd.stores.postgres.connection import connect, one_line, parse_address, place

if TYPE_CHECKING:
    from snqd.stores.postgres.connection import Connection

CHANNEL = "snqd_wake"
WAKE_DEBOUNCE_SECONDS = 0.005
LINGER_SECONDS = 0.015
_PROBE_SECONDS = 45.0
_OPENING_PATIENCE_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0


class Listener:
    """Opened by the worker that has the watch. Nothing here waits, except `hears` at the opening."""

    def __init__(self, address: str, setting: str, application_name: str) -> None:
        self._place = place(parse_address(address, setting))
        self._connection = connect(address, setting, application_name)
        self._probe = ""
        self._probed_at = time.monotonic()
        self._is_woken = False
        try:
            self._command(f"LISTEN {CHANNEL}")
        except BaseException:
            self.close()
            raise

    @property
    def fd(self) -> int:
        return self._connection.pgconn.socket

    def hears(self, speaker: Connection) -> bool:
        """Whether a notification sent by `speaker` arrives here. Waits up to two seconds."""
        self._send_probe(speaker)
        deadline = time.monotonic() + _OPENING_PATIENCE_SECONDS
        while self._probe and (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self.fd, select.POLLIN)
            poll.poll(left * 1000)
            self._consume()
        return not self._probe

    def read(self) -> bool:
        """Take what has arrived, without blocking; whether there may be new items.

        Raises `StoreUnavailable` when the connection is gone.
        """
        self._consume()
        is_woken, self._is_woken = self._is_woken, False
        return is_woken

    def check(self, speaker: Connection) -> None:
        """Send a probe when it is time, and look whether the last one has come.

        Raises `StoreUnavailable` when it has not: the connection is dead without having said so.
        """
        now = time.monotonic()
        if not self._probe:
            if now - self._probed_at >= _PROBE_SECONDS:
                self._send_probe(speaker)
        elif now - self._probed_at >= _PATIENCE_SECONDS:
            self._consume()  # perhaps it is only that nobody has read it yet
            if self._probe:
                raise StoreUnavailable(f"no notification arrives from PostgreSQL {self._place}: the connection is dead")

    def close(self, *, politely: bool = False) -> None:
        """Close; `politely` leaves no LISTEN behind in a server session that a pooler hands to others."""
        if politely:
            with suppress(StoreUnavailable):  # it is being thrown away
                self._command("UNLISTEN *")
        self._connection.close()

    def _send_probe(self, speaker: Connection) -> None:
        self._probe = f"probe {secrets.token_hex(8)}"
        self._probed_at = time.monotonic()
        speaker.execute("select pg_notify(%s, %s)", (CHANNEL, self._probe))

    def _command(self, command: str) -> None:
        result = self._connection.pgconn.exec_(command.encode())
        if result.status != ExecStatus.COMMAND_OK:
            reason = " ".join(result.get_error_message().split())
            raise StoreUnavailable(f"PostgreSQL {self._place} refuses {command}: {reason}")

    def _consume(self) -> None:
        connection = self._connection.pgconn
        try:
            connection.consume_input()
            while (notification := connection.notifies()) is not None:
                if not notification.extra:
                    self._is_woken = True
                elif notification.extra.decode(errors="replace") == self._probe:
                    self._probe = ""  # other listeners' probes are not ours to count
        except psycopg.Error as error:
            raise self._lost(one_line(error)) from error
        if connection.status == ConnStatus.BAD:
            raise self._lost("closed by the server")

    def _lost(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(f"the listening connection to PostgreSQL {self._place} was lost: {reason}")

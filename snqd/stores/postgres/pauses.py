"""Pauses in the database, and what they set aside."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.stores.pauses import HEAD_ROWS, KEPT_SECONDS, Pause, PauseLook, PausesKept, author_text, pause_of, reason_text
from snqd.stores.postgres.texts import number_array, text_array
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.items import Item, QueueName, SiteName
    from snqd.stores.pauses import Pauses
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")
LOOK_AGAIN_SECONDS = 0.02
"""While something is paused. Workers look again after longer than that when they were woken and found nothing."""
KEEP_ROWS = 2_000
"""Items that one statement sets aside or brings back: its locks are held for some ten milliseconds."""
_KEEP_ROUNDS = 10
_REST_SECONDS = 0.25
"""After a look that found nothing to do. Care is called whenever somebody enqueues."""
_CHECK_SECONDS = 2.0
"""How often it is made sure that nothing is left aside when no site is paused: a claim elsewhere may have gone by what
it knew before."""


def holding(connection: Connection) -> list[Pause]:
    """The pauses that hold now."""
    return [pause_of(row) for row in connection.execute(_SQL["pauses"])]


class PostgresPauses:
    """What one store knows of the pauses and does about them. The connection is in autocommit mode."""

    def __init__(self) -> None:
        self._look = PauseLook(again_seconds=LOOK_AGAIN_SECONDS)
        self._keep_at = 0.0
        self._had_sites = True  # there is no knowing at the beginning

    def forget(self) -> None:
        """The connection is new."""
        self._look.forget()

    def known(self, connection: Connection) -> Pauses:
        """For claims: asked again when it is time."""
        now = time.monotonic()
        if self._look.is_due(now):
            self._look.saw(holding(connection), now)
        return self._look.known

    def pause(
        self,
        connection: Connection,
        queue: QueueName | None,
        site: SiteName | None,
        *,
        author: str,
        reason: str,
        seconds: float | None,
    ) -> Pause:
        values = {
            "queue": queue or "",
            "site": site or "",
            "author": author_text(author),
            "reason": reason_text(reason),
            "seconds": seconds,
        }
        with connection.transaction():
            connection.execute(_SQL["forget_pauses"], {"seconds": KEPT_SECONDS})
            rows = connection.execute(_SQL["pause"], values).fetchall()
        self._look.forget()
        return pause_of(rows[0])

    def resume(
        self, connection: Connection, queue: QueueName | None, site: SiteName | None, *, author: str
    ) -> Pause | None:
        values = {"queue": queue or "", "site": site or "", "author": author_text(author)}
        with connection.transaction():
            rows = connection.execute(_SQL["resume"], values).fetchall()
            if rows and site is not None:
                self._bring_back(connection)
            if rows:
                connection.execute(_SQL["wake"])
        self._look.forget()
        return pause_of(rows[0]) if rows else None

    def set_aside(self, connection: Connection, items: Sequence[Item]) -> None:
        """Put back what was claimed and is paused, and clear the way for the next claim from those queues."""
        ids, tokens = number_array(item.id for item in items), number_array({item.token for item in items})
        connection.execute(_SET_ASIDE, {"ids": ids, "tokens": tokens})
        self._clear_way(connection, text_array(tuple(sorted({item.queue for item in items}))), KEEP_ROWS)

    def keep(self, connection: Connection) -> PausesKept:
        pauses, now = self.known(connection), time.monotonic()
        has_sites, had_sites = pauses.has_sites, self._had_sites
        if now < self._keep_at and has_sites == had_sites:
            return PausesKept()
        self._had_sites = has_sites
        aside = self._clear_way(connection, None, HEAD_ROWS) if has_sites else 0
        if aside:
            aside += self._clear_way(connection, None, KEEP_ROWS)
        back = count = self._bring_back(connection)
        rounds = 1
        while count >= KEEP_ROWS and rounds < _KEEP_ROUNDS:
            count = self._bring_back(connection)
            back += count
            rounds += 1
        has_more = bool(aside) or count >= KEEP_ROWS
        self._keep_at = now + (0.0 if has_more else _REST_SECONDS if has_sites else _CHECK_SECONDS)
        return PausesKept(aside, back, has_more)

    def _clear_way(self, connection: Connection, queues: str | None, rows: int) -> int:
        return connection.execute(_CLEAR_WAY, {"queues": queues, "rows": rows, "limit": KEEP_ROWS}).rowcount

    def _bring_back(self, connection: Connection) -> int:
        return connection.execute(_BRING_BACK, {"limit": KEEP_ROWS}).rowcount


def _with_covered(query: str) -> str:
    return _SQL[query].replace("{covered_site}", _SQL["covered_site"])


_SET_ASIDE, _CLEAR_WAY, _BRING_BACK = map(_with_covered, ("set_aside", "clear_way", "bring_back"))

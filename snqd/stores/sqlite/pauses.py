"""Pauses in the file, and what they set aside. Functions on a connection, most of them inside an open transaction.

Claims read the pauses in their own transaction, so that nothing is set aside for a pause that is over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from snqd.stores.pauses import (
    HEAD_ROWS,
    KEPT_SECONDS,
    Pause,
    Pauses,
    PausesKept,
    author_text,
    pause_of,
    reason_text,
)
from snqd.stores.sql import queries
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3

    from snqd.items import QueueName, SiteName
    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite")
KEEP_ROWS = 5_000
"""Items that are set aside, or brought back, in one transaction (some 20 ms of the write lock)."""


def holding(raw: sqlite3.Connection) -> list[Pause]:
    """The pauses that hold now."""
    return [pause_of(row) for row in raw.execute(_SQL["pauses"], {"now": now()})]


def known(raw: sqlite3.Connection) -> Pauses:
    return Pauses(holding(raw))


def pause(
    raw: sqlite3.Connection,
    queue: QueueName | None,
    site: SiteName | None,
    *,
    author: str,
    reason: str,
    seconds: float | None,
) -> Pause:
    clock = now()
    raw.execute(_SQL["forget_pauses"], (clock - KEPT_SECONDS,))
    values = {
        "queue": queue or "",
        "site": site or "",
        "author": author_text(author),
        "reason": reason_text(reason),
        "now": clock,
        "expires_at": None if seconds is None else clock + seconds,
    }
    return pause_of(raw.execute(_SQL["pause"], values).fetchall()[0])


def resume(raw: sqlite3.Connection, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
    values = {"queue": queue or "", "site": site or "", "author": author_text(author), "now": now()}
    rows = raw.execute(_SQL["resume"], values).fetchall()
    if not rows:
        return None
    bring_back(raw, known(raw))
    return pause_of(rows[0])


def clear_way(raw: sqlite3.Connection, pauses: Pauses, queue: str | None = None) -> int:
    """Set aside ready items of paused sites at the head of a queue, or of all; at most `KEEP_ROWS`. How many."""
    ids = _in_the_way(raw, pauses, KEEP_ROWS, queue)
    return raw.execute(_SQL["set_aside"], (json.dumps(ids),)).rowcount if ids else 0


def bring_back(raw: sqlite3.Connection, pauses: Pauses) -> int:
    """Make ready what was set aside and is not paused any more, at most `KEEP_ROWS`."""
    back = 0
    for queue, site in _lines_over(raw, pauses):
        if back < KEEP_ROWS:
            back += raw.execute(_SQL["bring_back"], (queue, site, KEEP_ROWS - back)).rowcount
    return back


def keep(connection: Connection) -> PausesKept:
    """As `Store.keep_pauses`. Nothing is written, and no lock taken, when there is nothing to do."""
    if not connection.read(_has_something_to_do):
        return PausesKept()
    return connection.write(_keep)


def _has_something_to_do(raw: sqlite3.Connection) -> bool:
    pauses = known(raw)
    return bool(_lines_over(raw, pauses)) or bool(_in_the_way(raw, pauses, HEAD_ROWS))


def _keep(raw: sqlite3.Connection) -> PausesKept:
    pauses = known(raw)
    back = bring_back(raw, pauses)
    aside = clear_way(raw, pauses)
    return PausesKept(aside, back, has_more=bool(aside) or back >= KEEP_ROWS)


def _lines_over(raw: sqlite3.Connection, pauses: Pauses) -> list[tuple[str, str]]:
    """Queues and sites of what is set aside although no pause covers them."""
    lines: list[tuple[str, str]] = raw.execute(_SQL["paused_lines"]).fetchall()
    return [line for line in lines if not pauses.covers_site(*line)]


def _in_the_way(raw: sqlite3.Connection, pauses: Pauses, rows: int, of_queue: str | None = None) -> list[int]:
    """Ready items of paused sites among the first `rows` of each queue (or of that one) and priority."""
    if not pauses.has_sites:
        return []
    found: list[int] = []
    for queue, priority in raw.execute(_SQL["ready_lines"]).fetchall():
        if of_queue in (None, queue) and queue not in pauses.queues and len(found) < KEEP_ROWS:
            head = raw.execute(_SQL["line_head"], (queue, priority, rows))
            found += [item for item, site in head if pauses.covers_site(queue, site)]
    return found[:KEEP_ROWS]

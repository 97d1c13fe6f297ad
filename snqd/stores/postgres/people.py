"""What people ask for: counts, searches, and corrections by filter. Functions on a connection in autocommit mode.

Corrections go a page at a time, each in its own transaction: discarding ten million items holds no locks for long. The
planner is free in them, since what a person asks may walk the table.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.stores.base import QueueFacts, no_dead_letter
from snqd.stores.pauses import Pauses
from snqd.stores.postgres import filters, pauses
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.items import ItemId, QueueName, SiteName
    from snqd.stores.base import ItemFilter, ItemRecord
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")
_FIND_PAGE = 500
_CHANGE_PAGE = 1000


def counts(connection: Connection) -> list[QueueFacts]:
    with _unpinned(connection):
        paused = Pauses(pauses.holding(connection))
        return [paused.judged(QueueFacts(*row)) for row in connection.execute(_SQL["counts"])]


class Page(NamedTuple):
    records: list[ItemRecord]
    is_last: bool


def page(connection: Connection, query: str, wanted: ItemFilter, *, after: int, left: int | None) -> Page:
    """The records of `find` or `find_dead` that follow that id, at most `left`."""
    sql, parameters = _filtered(query, wanted)
    size = _FIND_PAGE if left is None else min(_FIND_PAGE, left)
    with _unpinned(connection):
        rows = connection.execute(sql, {**parameters, "limit": size, "after": after}).fetchall()
    return Page(list(map(filters.record, rows)), is_last=len(rows) < size)


def recent_dead(
    connection: Connection, queue: QueueName | None, site: SiteName | None, limit: int, after: ItemId | None
) -> list[ItemRecord]:
    """A page of dead letters, the newest death first. Raises `BadItem` when `after` is none any more."""
    with _unpinned(connection):
        if after is not None:
            row = connection.execute(_SQL["is_dead"], {"id": after}).fetchone()
            if not row or not row[0]:
                raise no_dead_letter(after)
        values = {"queue": queue, "site": site, "limit": limit, "after": after}
        return list(map(filters.record, connection.execute(_SQL["recent_dead"], values)))


def change(connection: Connection, query: str, wanted: ItemFilter) -> int:
    """Carry out the correction `query`; how many items or letters it changed."""
    sql, parameters = _filtered(query, wanted)
    left, after, changed = wanted.limit, -1, 0
    while left is None or left > 0:
        size = _CHANGE_PAGE if left is None else min(_CHANGE_PAGE, left)
        with _unpinned(connection):
            row = connection.execute(sql, {**parameters, "limit": size, "after": after}).fetchone()
        assert row is not None
        changed += row[0]
        if row[1] < size:
            break
        after = row[2]
        left = None if left is None else left - size
    return changed


def _filtered(query: str, wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    is_of_dead = query in ("find_dead", "replay", "discard_dead")
    return (filters.dead if is_of_dead else filters.waiting)(_SQL[query], wanted)


@contextmanager
def _unpinned(connection: Connection) -> Iterator[None]:
    """A transaction in which the planner is free."""
    with connection.transaction():
        connection.execute(_SQL["unpin_plans"])
        yield

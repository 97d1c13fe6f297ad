"""Dead letters and corrections by filter. Functions on a connection in autocommit mode, each a short transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from snqd.items import CANARY, ItemId
from snqd.stores.corrections import KEPT_SECONDS, OF_DEAD, Corrected, Correction, Kind, Place, Step, filter_text
from snqd.stores.fingerprint import fingerprint
from snqd.stores.postgres import filters
from snqd.stores.postgres.texts import storable, text_array, told
from snqd.stores.records import GROUP_NAMES, DeadGroup
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from snqd.stores.postgres.connection import Connection
    from snqd.stores.records import ItemFilter, ItemRecord

_ALL = queries("postgres")
_SQL = queries("postgres_dead")
_FIND = _SQL["find"].replace("{record}", _SQL["record"].replace("{frame}", "frame"))
_PAGE = _SQL["page"].replace("{record}", _SQL["record"].replace("{frame}", "''::bytea"))
_PAGE_OF_FRAMES = _SQL["page"].replace("{record}", _SQL["record"].replace("{frame}", "frame"))
_EXTRA = {Kind.RETRY: "state = 'scheduled'", Kind.DISCARD: "state <> 'claimed'"}

BEFORE_ALL = Place(0.0, -1)
AFTER_ALL = Place(float("inf"), 0)


def find(connection: Connection, wanted: ItemFilter, after: Place, size: int) -> list[ItemRecord]:
    """The letters that died after that place, with their frames."""
    return _page(connection, _FIND, wanted, after, size)


def page(connection: Connection, wanted: ItemFilter, before: Place, size: int, *, frames: bool) -> list[ItemRecord]:
    """The letters that died before that place, the newest first, without canaries."""
    return _page(connection, _PAGE_OF_FRAMES if frames else _PAGE, wanted, before, size)


def _page(connection: Connection, query: str, wanted: ItemFilter, place: Place, size: int) -> list[ItemRecord]:
    sql, parameters = filters.dead(query, wanted)
    with by_index(connection):
        rows = connection.execute(sql, {**parameters, "limit": size, "died": place.at, "id": place.id}).fetchall()
    return list(map(filters.record, rows))


def groups(connection: Connection, wanted: ItemFilter) -> list[DeadGroup]:
    sql, parameters = filters.dead(_SQL["groups"], wanted)
    with unpinned(connection):
        rows = connection.execute(sql, {**parameters, "names": GROUP_NAMES}).fetchall()
    return [
        DeadGroup(
            fingerprint=name,
            count=count,
            first=first,
            last=last,
            queues=queues,
            top_queues=tuple(top_queues),
            sites=sites,
            top_sites=tuple(top_sites),
            error=error,
            newest=ItemId(newest),
        )
        for name, count, first, last, queues, top_queues, sites, top_sites, error, newest in rows
    ]


def name_some(connection: Connection, most: int) -> int:
    with by_index(connection):
        rows = connection.execute(_SQL["unnamed"], {"limit": most}).fetchall()
        named = [
            {"id": number, "fingerprint": CANARY if codec == CANARY else fingerprint(error, traceback)}
            for number, error, traceback, codec in rows
        ]
        if named:
            connection.execute(_SQL["name"], {"told": told(named)})
    return len(named)


def count(connection: Connection, kind: Kind, wanted: ItemFilter) -> int:
    if kind in OF_DEAD:
        sql, parameters = filters.dead(_SQL["count_dead"], wanted)
    else:
        sql, parameters = filters.waiting(_SQL["count"], wanted, also=_EXTRA[kind])
    with unpinned(connection):
        row = connection.execute(sql, parameters).fetchone()
    assert row is not None
    return int(row[0])


def begin(connection: Connection, kind: Kind, wanted: ItemFilter, author: str) -> Correction:
    with connection.transaction():
        connection.execute(_SQL["forget"], {"seconds": KEPT_SECONDS})
        values = {"kind": kind, "author": storable(author), "wanted": storable(filter_text(wanted))}
        row = connection.execute(_SQL["begin"], values).fetchone()
    assert row is not None
    return Correction(kind, wanted, row[0])


def step(connection: Connection, correction: Correction, after: Place | None, most: int) -> Step:
    kind, wanted, number = correction
    query = _SQL[f"step_{kind}"]
    if kind in OF_DEAD:
        sql, parameters = filters.dead(query, wanted)
    else:
        sql, parameters = filters.waiting(query, wanted, also=_EXTRA[kind])
    place = after or BEFORE_ALL
    values = {**parameters, "limit": most, "died": place.at, "id": place.id, "number": number}
    with by_index(connection):
        row = connection.execute(sql, values).fetchone()
    if row is None:
        return Step(0, 0, None)
    changed, found, at, last = row[:4]
    return Step(changed, found - changed, Place(at, last) if found == most else None)


def end(connection: Connection, correction: Correction, outcome: str) -> None:
    connection.execute(_SQL["end"], {"number": correction.number, "outcome": storable(outcome)})


def corrections(connection: Connection, kinds: Collection[Kind], limit: int) -> list[Corrected]:
    values = {"kinds": text_array(tuple(kinds)), "limit": limit}
    return [Corrected(*row) for row in connection.execute(_SQL["corrections"], values)]


@contextmanager
def unpinned(connection: Connection) -> Iterator[None]:
    """A transaction in which the planner is free: what is counted may walk the table."""
    with connection.transaction():
        connection.execute(_ALL["unpin_plans"])
        yield


@contextmanager
def by_index(connection: Connection) -> Iterator[None]:
    """A transaction in which a page is planned for its own filter, and never by a walk through the table."""
    with connection.transaction():
        connection.execute(_ALL["paged_plans"])
        yield

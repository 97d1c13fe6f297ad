"""Dead letters and corrections by filter. Functions on a connection; those that change something are a transaction."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from snqd.items import CANARY
from snqd.stores.corrections import KEPT_SECONDS, OF_DEAD, Corrected, Correction, Kind, Place, Step, filter_text
from snqd.stores.fingerprint import fingerprint
from snqd.stores.records import GROUP_NAMES, DeadGroup
from snqd.stores.sql import queries
from snqd.stores.sqlite import filters
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from snqd.stores.records import ItemFilter, ItemRecord
    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite_dead")
_EXTRA = {Kind.RETRY: "state = 'scheduled'", Kind.DISCARD: "state <> 'claimed'"}

BEFORE_ALL = Place(0.0, -1)
AFTER_ALL = Place(float("inf"), 0)


def page(
    connection: Connection, query: str, wanted: ItemFilter, place: Place, size: int, *, frames: bool
) -> list[ItemRecord]:
    """The query `find` (from that place on) or `page` (from there back)."""
    sql = filters.dead(_SQL[query], wanted)
    values = {**filters.values(wanted), "died": place.at, "id": place.id, "page": size, "frames": frames}
    return list(map(filters.record, connection.read(lambda raw: raw.execute(sql, values).fetchall())))


def groups(raw: sqlite3.Connection, wanted: ItemFilter) -> list[DeadGroup]:
    sql = filters.dead(_SQL["groups"], wanted)
    found = []
    for name, count, first, last, queues, top_queues, sites, top_sites, newest in raw.execute(
        sql, {**filters.values(wanted), "names": GROUP_NAMES}
    ):
        error, newest_id = json.loads(newest)
        found.append(
            DeadGroup(
                fingerprint=name,
                count=count,
                first=first,
                last=last,
                queues=queues,
                top_queues=tuple(json.loads(top_queues)),
                sites=sites,
                top_sites=tuple(json.loads(top_sites)),
                error=error or "",
                newest=newest_id,
            )
        )
    return found


def name_some(connection: Connection, most: int) -> int:
    """Read outside of the transaction, which is then a short one: a letter that has gone meanwhile is no harm."""
    rows = connection.read(lambda raw: raw.execute(_SQL["unnamed"], (most,)).fetchall())
    named = [
        (CANARY if codec == CANARY else fingerprint(error, traceback), number)
        for number, error, traceback, codec in rows
    ]
    if named:
        connection.write(lambda raw: raw.executemany(_SQL["name"], named))
    return len(named)


def count(raw: sqlite3.Connection, kind: Kind, wanted: ItemFilter) -> int:
    if kind in OF_DEAD:
        sql = filters.dead(_SQL["count_dead"], wanted)
    else:
        sql = filters.waiting(_SQL["count"], wanted, also=_EXTRA[kind])
    return int(raw.execute(sql, filters.values(wanted)).fetchone()[0])


def begin(connection: Connection, kind: Kind, wanted: ItemFilter, author: str) -> Correction:
    def write(raw: sqlite3.Connection) -> int:
        values = {"kind": kind, "author": author, "wanted": filter_text(wanted), "now": now(), "seconds": KEPT_SECONDS}
        raw.execute(_SQL["forget"], values)
        return int(raw.execute(_SQL["begin"], values).fetchone()[0])

    return Correction(kind, wanted, connection.write(write))


def step(connection: Connection, correction: Correction, after: Place | None, most: int) -> Step:
    kind, wanted, _number = correction
    if kind in OF_DEAD:
        sql = filters.dead(_SQL["chosen_dead"], wanted)
    else:
        sql = filters.waiting(_SQL["chosen"], wanted, also=_EXTRA[kind])
    place = after or BEFORE_ALL
    values = {**filters.values(wanted), "died": place.at, "id": place.id, "page": most}
    return connection.write(partial(_step, correction, sql, values))


def _step(correction: Correction, sql: str, values: dict[str, Any], raw: sqlite3.Connection) -> Step:
    kind, _wanted, number = correction
    chosen = [Place(*row) for row in raw.execute(sql, values)]
    if not chosen:
        return Step(0, 0, None)
    given = {"found": json.dumps([place.id for place in chosen]), "now": now()}
    if kind is Kind.REPLAY:
        raw.execute(_SQL["again"], given)
    changed = raw.execute(_SQL[kind], given).rowcount
    stayed = len(chosen) - changed
    if number:
        raw.execute(_SQL["note"], {"changed": changed, "stayed": stayed, "number": number})
    return Step(changed, stayed, chosen[-1] if len(chosen) == values["page"] else None)


def end(connection: Connection, correction: Correction, outcome: str) -> None:
    values = {"now": now(), "outcome": outcome, "number": correction.number}
    connection.write(lambda raw: raw.execute(_SQL["end"], values))


def corrections(raw: sqlite3.Connection, kinds: Collection[Kind], limit: int) -> list[Corrected]:
    values = {"kinds": json.dumps(list(kinds)), "limit": limit}
    return [Corrected(*row) for row in raw.execute(_SQL["corrections"], values)]

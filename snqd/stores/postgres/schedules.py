"""How far the schedules have come, in the database. Functions on a connection, inside an open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.postgres import enqueue
from snqd.stores.schedules import Fate, Kept, Ran, Result, ScheduleRow, differing, judged
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.stores.postgres.connection import Connection
    from snqd.stores.schedules import Due, Wanted

_SQL = queries("postgres_schedules")


def rows(connection: Connection) -> list[ScheduleRow]:
    return [ScheduleRow(*row) for row in connection.execute(_SQL["rows"])]


def keep(connection: Connection, wanted: Sequence[Wanted], declared_by: str) -> Kept:
    found = rows(connection)
    changed, stale = differing(found, wanted, declared_by)
    if changed:
        sites, names, queues, definitions = ([each[field] for each in changed] for field in range(4))
        values = {"sites": sites, "names": names, "queues": queues, "definitions": definitions}
        connection.execute(_SQL["keep"], {**values, "declared_by": declared_by})
    if stale:
        sites, names = [row.site for row in stale], [row.name for row in stale]
        connection.execute(_SQL["forget"], {"sites": sites, "names": names, "declared_by": declared_by})
    return Kept(_now(connection), rows(connection) if changed or stale else found)


def run(connection: Connection, dues: Sequence[Due], declared_by: str) -> Ran:
    keys = {"sites": [due.site for due in dues], "names": [due.name for due in dues]}
    locked = {(site, name): last_due for site, name, last_due in connection.execute(_SQL["lock"], keys)}
    taken = [due for due in dues if judged(due, locked.get((due.site, due.name))) is Fate.TAKEN]
    stored = _store(connection, taken)
    if taken:
        moved = {
            "declared_by": declared_by,
            "sites": [due.site for due in taken],
            "names": [due.name for due in taken],
            "dues": [due.due for due in taken],
            "runs": [stored[due] > 0 for due in taken],
        }
        connection.execute(_SQL["move"], moved)
    busy: set[tuple[str, str]] = set()
    if len(locked) < len(dues):
        busy = {(site, name) for site, name in connection.execute(_SQL["known"], keys)} - locked.keys()

    def result(due: Due) -> Result:
        key = due.site, due.name
        if due in stored:
            return Result(Fate.TAKEN, stored[due], due.due)
        return Result(Fate.BUSY if key in busy else Fate.BEHIND, last_due=locked.get(key))

    return Ran(_now(connection), [result(due) for due in dues])


def _store(connection: Connection, taken: Sequence[Due]) -> dict[Due, int]:
    """How many items of each are stored. All that have no unique key go at once."""
    enqueue.enqueue_many(connection, [item for due in taken for item in due.items if item.unique_key is None])
    stored = {}
    for due in taken:
        unique = [item for item in due.items if item.unique_key is not None]
        ids = enqueue.enqueue(connection, unique) if unique else []
        stored[due] = len(due.items) - ids.count(None)
    return stored


def was_run(connection: Connection, site: str, name: str) -> None:
    connection.execute(_SQL["was_run"], {"site": site, "name": name})


def _now(connection: Connection) -> float:
    row = connection.execute(_SQL["now"]).fetchone()
    assert row is not None
    return float(row[0])

"""How far the schedules have come, in the file. Functions on a connection, inside an open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.schedules import Fate, Kept, Ran, Result, ScheduleRow, differing, judged
from snqd.stores.sql import queries
from snqd.stores.sqlite import enqueue
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from snqd.stores.schedules import Due, Wanted
    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite_schedules")


def rows(raw: sqlite3.Connection) -> list[ScheduleRow]:
    return [ScheduleRow(*row) for row in raw.execute(_SQL["rows"])]


def keep(connection: Connection, wanted: Sequence[Wanted], declared_by: str) -> Kept:
    """Nothing is written, and no lock taken, when nothing is different."""
    found = connection.read(rows)
    if any(differing(found, wanted, declared_by)):
        found = connection.write(lambda raw: _write(raw, wanted, declared_by))
    return Kept(now(), found)


def _write(raw: sqlite3.Connection, wanted: Sequence[Wanted], declared_by: str) -> list[ScheduleRow]:
    clock = now()
    changed, stale = differing(rows(raw), wanted, declared_by)
    raw.executemany(_SQL["keep"], [{**each._asdict(), "declared_by": declared_by, "now": clock} for each in changed])
    raw.executemany(_SQL["forget"], [(row.site, row.name, declared_by) for row in stale])
    return rows(raw)


def run(raw: sqlite3.Connection, dues: Sequence[Due], declared_by: str) -> Ran:
    """Nobody is ever busy: writers take turns."""
    clock = now()
    return Ran(clock, [_run_one(raw, due, declared_by, clock) for due in dues])


def _run_one(raw: sqlite3.Connection, due: Due, declared_by: str, clock: float) -> Result:
    row = raw.execute(_SQL["last_due"], (due.site, due.name)).fetchone()
    last_due = None if row is None else row[0]
    fate = judged(due, last_due)
    if fate is Fate.BEHIND:
        return Result(fate, last_due=last_due)
    stored = sum(item is not None for item in enqueue.insert(raw.cursor(), enqueue.rows_of(due.items)))
    values = {"site": due.site, "name": due.name, "due": due.due, "runs": stored > 0, "now": clock}
    raw.execute(_SQL["move"], {**values, "declared_by": declared_by})
    return Result(fate, stored, due.due)


def was_run(raw: sqlite3.Connection, site: str, name: str) -> None:
    raw.execute(_SQL["was_run"], (now(), site, name))

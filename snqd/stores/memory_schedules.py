"""Schedules of a `memory://` store. Call with the lock of the data held."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.stores.schedules import Fate, Kept, Ran, Result, ScheduleRow, differing, judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.stores.memory_data import Data
    from snqd.stores.schedules import Due, Wanted


def rows(data: Data) -> list[ScheduleRow]:
    return sorted(data.schedules.values())


def keep(data: Data, wanted: Sequence[Wanted], declared_by: str) -> Kept:
    clock = time.time()
    changed, stale = differing(rows(data), wanted, declared_by)
    for row in stale:
        del data.schedules[row.site, row.name]
    for each in changed:
        key = each.site, each.name
        before = data.schedules.get(key)
        last_due = before.last_due if before is not None and before.definition == each.definition else clock
        data.schedules[key] = ScheduleRow(*each, declared_by, last_due, before.last_run if before is not None else None)
    return Kept(clock, rows(data))


def run(data: Data, dues: Sequence[Due], declared_by: str) -> Ran:
    clock = time.time()
    results = [_run_one(data, due, declared_by, clock) for due in dues]
    data.ring()
    return Ran(clock, results)


def _run_one(data: Data, due: Due, declared_by: str, clock: float) -> Result:
    row = data.schedules.get((due.site, due.name))
    last_due = None if row is None else row.last_due
    fate = judged(due, last_due)
    if row is None or fate is Fate.BEHIND:
        return Result(Fate.BEHIND, last_due=last_due)
    stored = sum(data.add(item) is not None for item in due.items)
    data.schedules[due.site, due.name] = row._replace(
        declared_by=declared_by, last_due=due.due, last_run=clock if stored else row.last_run
    )
    return Result(fate, stored, due.due)


def was_run(data: Data, site: str, name: str) -> None:
    row = data.schedules.get((site, name))
    if row is not None:
        data.schedules[site, name] = row._replace(last_run=time.time())

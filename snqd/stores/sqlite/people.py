"""What people ask for: counts, searches, and corrections by filter.

Corrections go a page at a time, each in its own transaction, so that discarding ten million items does not keep the
workers from the file.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.base import ItemRecord, ItemState, QueueFacts, no_dead_letter
from snqd.stores.history import read_history
from snqd.stores.pauses import Pauses
from snqd.stores.sql import queries
from snqd.stores.sqlite import pauses
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from snqd.stores.base import ItemFilter
    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite")
_FIND_PAGE = 64  # frames may be a megabyte each
_CHANGE_PAGE = 1000

# The unary plus keeps the planner on the primary key, the order of the pages, instead of sorting an index for each.
_ITEM_CONDITIONS = {
    "ids": "id IN (SELECT value FROM json_each(:ids))",
    "queue": "+queue = :queue",
    "site": "site = :site",
    "reason": "0",  # a waiting item has none
    "error": "instr(last_error, :error) > 0",
    "before": "created <= :before",
}
_DEAD_CONDITIONS = _ITEM_CONDITIONS | {"state": "0", "reason": "reason = :reason", "before": "died <= :before"}
_STATE_CONDITIONS = {
    ItemState.READY: f"+state IN ('ready', 'paused') AND NOT {_SQL['covered']}",
    ItemState.SCHEDULED: "+state = 'scheduled'",
    ItemState.CLAIMED: "id IN (SELECT id FROM queue_item WHERE state = 'claimed')",  # few: by their index
    ItemState.PAUSED: f"+state IN ('ready', 'paused') AND {_SQL['covered']}",
}


def counts(raw: sqlite3.Connection) -> list[QueueFacts]:
    """Exact counts, by a walk through both tables."""
    clock = now()
    paused = Pauses(pauses.holding(raw))
    found = []
    for queue, site, ready, scheduled, claimed, dead, oldest in raw.execute(_SQL["counts"]):
        lag = max(0.0, clock - oldest) if oldest is not None else 0.0
        facts = QueueFacts(queue, site, ready, scheduled, claimed, dead, lag)
        found.append(paused.judged(facts))
    return found


def find(connection: Connection, wanted: ItemFilter) -> Iterator[ItemRecord]:
    """Waiting and claimed items, a page at a time: no read transaction stays open while the caller thinks."""
    return _pages_of_records(connection, "find", wanted, item_conditions(wanted))


def find_dead(connection: Connection, wanted: ItemFilter) -> Iterator[ItemRecord]:
    """Dead letters, in the same way."""
    return _pages_of_records(connection, "find_dead", wanted, dead_conditions(wanted))


def recent_dead(
    raw: sqlite3.Connection, queue: QueueName | None, site: SiteName | None, limit: int, after: ItemId | None
) -> list[ItemRecord]:
    """A page of dead letters, the newest death first. Raises `BadItem` when `after` is none any more."""
    died = float("inf")
    if after is not None:
        row = raw.execute(_SQL["died"], (after,)).fetchone()
        if row is None:
            raise no_dead_letter(after)
        died = row[0]
    values = {"queue": queue, "site": site, "died": died, "after": after or 0, "limit": limit}
    return list(map(_record, _rows(_SQL["recent_dead"], values, raw)))


def retry_now(connection: Connection, wanted: ItemFilter) -> int:
    def act(raw: sqlite3.Connection, found: str) -> int:
        return raw.execute(_SQL["retry_now"], {"found": found, "now": now()}).rowcount

    return _change(connection, "find_ids", wanted, f"{item_conditions(wanted)} AND state = 'scheduled'", act)


def discard(connection: Connection, wanted: ItemFilter) -> int:
    def act(raw: sqlite3.Connection, found: str) -> int:
        return raw.execute(_SQL["discard"], {"found": found}).rowcount

    return _change(connection, "find_ids", wanted, f"{item_conditions(wanted)} AND state <> 'claimed'", act)


def replay(connection: Connection, wanted: ItemFilter) -> int:
    def act(raw: sqlite3.Connection, found: str) -> int:
        raw.execute(_SQL["replay"], {"found": found, "now": now()})
        return raw.execute(_SQL["forget_replayed"], {"found": found}).rowcount

    return _change(connection, "find_dead_ids", wanted, dead_conditions(wanted), act)


def discard_dead(connection: Connection, wanted: ItemFilter) -> int:
    def act(raw: sqlite3.Connection, found: str) -> int:
        return raw.execute(_SQL["discard_dead"], {"found": found}).rowcount

    return _change(connection, "find_dead_ids", wanted, dead_conditions(wanted), act)


def item_conditions(wanted: ItemFilter) -> str:
    """The WHERE of a filter on waiting and claimed items."""
    conditions = [_ITEM_CONDITIONS[name] for name in _given(wanted) if name != "state"]
    if wanted.state is not None:
        conditions.append(_STATE_CONDITIONS[wanted.state])
    return " AND ".join(conditions) or "1"


def dead_conditions(wanted: ItemFilter) -> str:
    """The WHERE of a filter on dead letters."""
    return " AND ".join(_DEAD_CONDITIONS[name] for name in _given(wanted)) or "1"


def _given(wanted: ItemFilter) -> list[str]:
    given = {
        "ids": wanted.ids or None,
        "queue": wanted.queue,
        "site": wanted.site,
        "state": wanted.state,
        "reason": wanted.reason,
        "error": wanted.error,
        "before": wanted.older_than_seconds,
    }
    return [name for name, value in given.items() if value is not None]


def _values(wanted: ItemFilter) -> dict[str, Any]:
    return {
        "ids": json.dumps(wanted.ids),
        "queue": wanted.queue,
        "site": wanted.site,
        "reason": wanted.reason,
        "error": wanted.error,
        "before": now() - (wanted.older_than_seconds or 0.0),
        "now": now(),
    }


def _pages_of_records(connection: Connection, query: str, wanted: ItemFilter, conditions: str) -> Iterator[ItemRecord]:
    sql = _SQL[query].replace("covered", _SQL["covered"]).replace("wanted", conditions)
    values = _values(wanted)
    left = wanted.limit
    after = -1
    while left is None or left > 0:
        page = _FIND_PAGE if left is None else min(left, _FIND_PAGE)
        rows = connection.read(partial(_rows, sql, values | {"after": after, "page": page}))
        yield from map(_record, rows)
        if len(rows) < page:
            return
        after = rows[-1][0]
        left = left if left is None else left - page


def _change(
    connection: Connection,
    query: str,
    wanted: ItemFilter,
    conditions: str,
    act: Callable[[sqlite3.Connection, str], int],
) -> int:
    """Do `act` to all matching ids, a page in each transaction; the number changed."""
    sql = _SQL[query].replace("wanted", conditions)
    values = _values(wanted)
    left = wanted.limit
    changed, after = 0, -1
    while left is None or left > 0:
        page = _CHANGE_PAGE if left is None else min(left, _CHANGE_PAGE)
        found, changed_here = connection.write(partial(_change_page, sql, values | {"after": after, "page": page}, act))
        changed += changed_here
        if len(found) < page:
            break
        after = found[-1]
        left = left if left is None else left - page
    return changed


def _rows(sql: str, values: dict[str, Any], raw: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return raw.execute(sql, values).fetchall()


def _change_page(
    sql: str, values: dict[str, Any], act: Callable[[sqlite3.Connection, str], int], raw: sqlite3.Connection
) -> tuple[list[int], int]:
    found = [item_id for (item_id,) in _rows(sql, values, raw)]
    return found, act(raw, json.dumps(found)) if found else 0


def _record(row: tuple[Any, ...]) -> ItemRecord:
    return ItemRecord(
        id=ItemId(row[0]),
        site=SiteName(row[1]),
        queue=QueueName(row[2]),
        state=row[3],
        codec=row[4],
        frame=row[5],
        priority=row[6],
        created=row[7],
        available_at=row[8],
        attempts=row[9],
        crash_attempts=row[10],
        unique_key=row[11],
        claimed_by=row[12],
        lease_until=row[13],
        last_error=row[14],
        history=tuple(read_history(row[15])),
        reason=row[16],
        traceback=row[17],
        died=row[18],
    )

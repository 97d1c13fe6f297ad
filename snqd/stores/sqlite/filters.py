"""What a person means by an `ItemFilter`, as SQL, and rows as the `ItemRecord` that a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.history import read_history
from snqd.stores.records import ItemRecord, ItemState
from snqd.stores.sql import queries
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    from snqd.stores.records import ItemFilter

_COVERED = queries("sqlite")["covered"]
_CONDITIONS = {
    "ids": "id IN (SELECT value FROM json_each(:ids))",
    "queue": "queue = :queue",
    "site": "site = :site",
    "error": "instr(last_error, :error) > 0",
    "error_class": (
        "(last_error = :error_class OR substr(last_error, 1, length(:error_class) + 1) = :error_class || ':')"
    ),
    "min_attempts": "attempts >= :min_attempts",
    "max_attempts": "attempts <= :max_attempts",
}
_OF_DEAD = _CONDITIONS | {
    "state": "0",  # dead letters have none
    "reason": "reason = :reason",
    "fingerprint": "fingerprint = :fingerprint",
    "since": "died >= :since",
    "until": "died <= :until",
}
# The unary plus keeps the planner on the primary key, the order of the pages, instead of sorting an index for each.
_OF_WAITING = _CONDITIONS | {
    "queue": "+queue = :queue",
    "reason": "0",  # a waiting item has none, and no fingerprint
    "fingerprint": "0",
    "since": "created >= :since",
    "until": "created <= :until",
}
_STATE_CONDITIONS = {
    ItemState.READY: f"+state IN ('ready', 'paused') AND NOT {_COVERED}",
    ItemState.SCHEDULED: "+state = 'scheduled'",
    ItemState.CLAIMED: "id IN (SELECT id FROM queue_item WHERE state = 'claimed')",  # few: by their index
    ItemState.PAUSED: f"+state IN ('ready', 'paused') AND {_COVERED}",
}
_NAMES = ("ids", "queue", "site", "state", "reason", "fingerprint", "since", "until", *_CONDITIONS)


def waiting(query: str, wanted: ItemFilter, *, also: str = "1") -> str:
    """`query` on queue_item with the filter's conditions and one more."""
    conditions = _OF_WAITING | ({"state": _STATE_CONDITIONS[wanted.state]} if wanted.state is not None else {})
    told = " AND ".join([also, *(conditions[name] for name in _given(wanted))])
    return query.replace("covered", _COVERED).replace("wanted", told)


def dead(query: str, wanted: ItemFilter) -> str:
    """`query` on dead_letter with the filter's conditions."""
    return query.replace("wanted", " AND ".join(_OF_DEAD[name] for name in _given(wanted)) or "1")


def values(wanted: ItemFilter) -> dict[str, Any]:
    return {
        "ids": json.dumps(wanted.ids),
        "queue": wanted.queue,
        "site": wanted.site,
        "reason": wanted.reason,
        "fingerprint": wanted.fingerprint,
        "error": wanted.error,
        "error_class": wanted.error_class,
        "since": wanted.since,
        "until": wanted.until,
        "min_attempts": wanted.min_attempts,
        "max_attempts": wanted.max_attempts,
        "limit": -1 if wanted.limit is None else wanted.limit,
        "now": now(),
    }


def _given(wanted: ItemFilter) -> list[str]:
    return [name for name in dict.fromkeys(_NAMES) if getattr(wanted, name) not in (None, ())]


def record(row: tuple[Any, ...]) -> ItemRecord:
    """A row of `find` or of dead letters."""
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
        fingerprint=row[19],
        frame_bytes=row[20],
    )

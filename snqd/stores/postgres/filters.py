"""What a person means by an `ItemFilter`, as SQL, and rows as the `ItemRecord` that a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.postgres.texts import number_array, storable
from snqd.stores.records import HistoryEntry, ItemRecord, ItemState
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from snqd.stores.records import ItemFilter

_COVERED = queries("postgres")["covered"]
_STATE_CONDITIONS = {
    ItemState.READY: "state in ('ready', 'paused') and not {covered}",
    ItemState.SCHEDULED: "state = 'scheduled'",
    ItemState.CLAIMED: "state = 'claimed'",
    ItemState.PAUSED: "state in ('ready', 'paused') and {covered}",
}
_CONDITIONS = {
    "ids": "id = any(%(ids)s::bigint[])",
    "queue": "queue = %(queue)s",
    "site": "site = %(site)s",
    "error": "position(%(error)s in {error}) > 0",
    "error_class": "({error} = %(error_class)s or starts_with({error}, %(error_class)s || ':'))",
    "since": "{at} >= to_timestamp(%(since)s::float8)",
    "until": "{at} <= to_timestamp(%(until)s::float8)",
    "min_attempts": "attempts >= %(min_attempts)s",
    "max_attempts": "attempts <= %(max_attempts)s",
}
_OF_DEAD = _CONDITIONS | {
    "state": "false",  # dead letters have none
    "reason": "reason = %(reason)s",
    "fingerprint": "fingerprint = %(fingerprint)s",
}
_OF_WAITING = _CONDITIONS | {"reason": "false", "fingerprint": "false"}  # only dead letters have these


def waiting(query: str, wanted: ItemFilter, *, also: str = "true") -> tuple[str, dict[str, Any]]:
    """`query` on queue_item with the filter's conditions and one more."""
    conditions = _OF_WAITING | ({"state": _STATE_CONDITIONS[wanted.state]} if wanted.state is not None else {})
    told = " and ".join([also, *(conditions[name] for name in _given(wanted))])
    told = told.replace("{error}", "last_error").replace("{at}", "created")
    return query.replace("{conditions}", told).replace("{covered}", _COVERED), _parameters(wanted)


def dead(query: str, wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    """`query` on dead_letter with the filter's conditions."""
    told = " and ".join(_OF_DEAD[name] for name in _given(wanted)) or "true"
    told = told.replace("{error}", "error").replace("{at}", "died")
    return query.replace("{conditions}", told), _parameters(wanted)


def _given(wanted: ItemFilter) -> list[str]:
    names = ("ids", "state", "reason", "fingerprint", *_CONDITIONS)
    return [name for name in dict.fromkeys(names) if getattr(wanted, name) not in (None, ())]


def _parameters(wanted: ItemFilter) -> dict[str, Any]:
    return {
        "ids": number_array(wanted.ids),
        "queue": wanted.queue,
        "site": wanted.site,
        "reason": wanted.reason,
        "fingerprint": wanted.fingerprint,
        "error": storable(wanted.error) if wanted.error is not None else None,
        "error_class": storable(wanted.error_class) if wanted.error_class is not None else None,
        "since": wanted.since,
        "until": wanted.until,
        "min_attempts": wanted.min_attempts,
        "max_attempts": wanted.max_attempts,
        "limit": wanted.limit,
    }


def record(row: tuple[Any, ...]) -> ItemRecord:
    """A row of `find` or of dead letters."""
    (number, site, queue, state, codec, frame, priority, created, available_at, attempts, crash_attempts, unique_key,
     claimed_by, lease_until, last_error, history, reason, traceback, died, fingerprint, size) = row  # fmt: skip
    return ItemRecord(
        id=ItemId(number),
        site=SiteName(site),
        queue=QueueName(queue),
        state=state,
        codec=codec,
        frame=bytes(frame),
        frame_bytes=size,
        priority=priority,
        created=created,
        available_at=available_at,
        attempts=attempts,
        crash_attempts=crash_attempts,
        unique_key=unique_key,
        claimed_by=claimed_by,
        lease_until=lease_until,
        last_error=last_error,
        history=tuple(HistoryEntry(**entry) for entry in json.loads(history or "[]")),
        reason=reason,
        traceback=traceback,
        died=died,
        fingerprint=fingerprint,
    )

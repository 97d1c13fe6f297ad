"""What a person means by an `ItemFilter`, as SQL, and rows as the `ItemRecord` that a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.base import HistoryEntry, ItemRecord, ItemState
from snqd.stores.postgres.texts import number_array, storable
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from snqd.stores.base import ItemFilter

_COVERED = queries("postgres")["covered"]
_STATE_CONDITIONS = {
    None: "true",
    ItemState.READY: "state in ('ready', 'paused') and not {covered}",
    ItemState.SCHEDULED: "state = 'scheduled'",
    ItemState.CLAIMED: "state = 'claimed'",
    ItemState.PAUSED: "state in ('ready', 'paused') and {covered}",
}


def waiting(query: str, wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    """`query` on queue_item with the filter's conditions. A `reason` matches nothing: only dead letters have one."""
    state = _STATE_CONDITIONS[wanted.state]
    return _filled(query, wanted, age="created", error="last_error", reason="false", state=state)


def dead(query: str, wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    """`query` on dead_letter with the filter's conditions. A `state` matches nothing: dead letters have none."""
    return _filled(query, wanted, age="died", error="error", reason="reason = %(reason)s", state="false")


def _filled(query: str, wanted: ItemFilter, **columns: str) -> tuple[str, dict[str, Any]]:
    conditions = ["true"]
    if wanted.ids:
        conditions.append("id = any(%(ids)s::bigint[])")
    if wanted.queue is not None:
        conditions.append("queue = %(queue)s")
    if wanted.site is not None:
        conditions.append("site = %(site)s")
    if wanted.state is not None:
        conditions.append(columns["state"])
    if wanted.reason is not None:
        conditions.append(columns["reason"])
    if wanted.error is not None:
        conditions.append(f"position(%(error)s in {columns['error']}) > 0")
    if wanted.older_than_seconds is not None:
        conditions.append(f"{columns['age']} <= now() - make_interval(secs => %(older)s)")
    parameters = {
        "ids": number_array(wanted.ids),
        "queue": wanted.queue,
        "site": wanted.site,
        "reason": wanted.reason,
        "error": storable(wanted.error) if wanted.error is not None else None,
        "older": wanted.older_than_seconds,
        "limit": wanted.limit,
    }
    return query.replace("{conditions}", " and ".join(conditions)).replace("{covered}", _COVERED), parameters


def record(row: tuple[Any, ...]) -> ItemRecord:
    """A row of `find` or `find_dead`."""
    (number, site, queue, state, codec, frame, priority, created, available_at, attempts, crash_attempts,
     unique_key, claimed_by, lease_until, last_error, history, reason, traceback, died) = row  # fmt: skip
    return ItemRecord(
        id=ItemId(number),
        site=SiteName(site),
        queue=QueueName(queue),
        state=state,
        codec=codec,
        frame=bytes(frame),
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
    )

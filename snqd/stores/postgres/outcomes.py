"""What happened to items, written down: the outcomes of a worker, inside its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadLettered, Discarded, Done, Released, Retried
from snqd.stores.postgres.enqueue import enqueue_many
from snqd.stores.postgres.texts import error_text, number_array, told, traceback_text
from snqd.stores.records import HISTORY_LIMIT
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.items import Item
    from snqd.stores.outcomes import Outcome
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")


def record(connection: Connection, outcomes: Sequence[Outcome]) -> list[Item]:
    """Write all outcomes; the items whose claim is no longer ours. One statement per kind, not per item."""
    finished: list[Done | Discarded] = []
    retried: list[Retried] = []
    released: list[Released] = []
    dead: list[DeadLettered] = []
    for outcome in outcomes:
        match outcome:
            case Done() | Discarded():
                finished.append(outcome)
            case Retried():
                retried.append(outcome)
            case Released():
                released.append(outcome)
            case DeadLettered():
                dead.append(outcome)
    return (
        _finish(connection, finished)
        + _retry(connection, retried)
        + _release(connection, released)
        + _bury(connection, dead)
    )


def _finish(connection: Connection, outcomes: list[Done | Discarded]) -> list[Item]:
    if not outcomes:
        return []
    found = _ids(
        connection,
        "finish",
        {
            "ids": number_array(outcome.item.id for outcome in outcomes),
            "tokens": number_array({outcome.item.token for outcome in outcomes}),
        },
    )
    ours = [outcome for outcome in outcomes if outcome.item.id in found]
    outbox = [new for outcome in ours if isinstance(outcome, Done) for new in outcome.outbox]
    if outbox:
        enqueue_many(connection, outbox)
    return [outcome.item for outcome in outcomes if outcome.item.id not in found]


def _retry(connection: Connection, outcomes: list[Retried]) -> list[Item]:
    return _tell(
        connection,
        "retry",
        [(item, {"delay": delay, "error": error_text(error)}) for item, delay, error, _traceback in outcomes],
    )


def _release(connection: Connection, outcomes: list[Released]) -> list[Item]:
    return _tell(
        connection,
        "release",
        [(item, {"delay": delay, "note": error_text(note)}) for item, delay, note in outcomes],
    )


def _bury(connection: Connection, outcomes: list[DeadLettered]) -> list[Item]:
    return _tell(
        connection,
        "dead_letter",
        [
            (
                item,
                {
                    "reason": reason,
                    "error": error_text(error),
                    "traceback": traceback_text(traceback),
                    "fingerprint": fingerprint(error_text(error), traceback_text(traceback)),
                    "crashes": 0,
                },
            )
            for item, reason, error, traceback in outcomes
        ],
    )


def _tell(connection: Connection, query: str, rows: list[tuple[Item, dict[str, Any]]]) -> list[Item]:
    if not rows:
        return []
    records = [{"id": item.id, "token": item.token, **facts} for item, facts in rows]
    found = _ids(connection, query, {"told": told(records), "history_limit": HISTORY_LIMIT})
    return [item for item, _facts in rows if item.id not in found]


def _ids(connection: Connection, query: str, parameters: dict[str, Any]) -> set[int]:
    return {row[0] for row in connection.execute(_SQL[query], parameters).fetchall()}

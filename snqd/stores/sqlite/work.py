"""What becomes of claimed items: outcomes, as functions on a cursor inside an open transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from snqd.errors import BadItem
from snqd.stores.fingerprint import fingerprint
from snqd.stores.history import error_text, extended, read_history, traceback_text, write_history
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Released, Retried
from snqd.stores.records import HistoryEntry
from snqd.stores.sql import queries
from snqd.stores.sqlite import enqueue
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from snqd.items import Item, NewItem
    from snqd.stores.outcomes import Outcome

_SQL = queries("sqlite")
_ACK = _SQL["ack"]


class SomeLost(Exception):
    """`ack_all` met claims that are no longer ours; the transaction is to be rolled back and told one by one."""


def ack_all(raw: sqlite3.Connection, items: Sequence[Item]) -> None:
    """Delete done items in one go: a third of the cost of one by one. Raises `SomeLost`."""
    if raw.executemany(_ACK, [(item[0], item[1]) for item in items]).rowcount != len(items):
        raise SomeLost


def report(raw: sqlite3.Connection, outcomes: Iterable[Outcome]) -> list[Item]:
    """Carry out outcomes one by one; the items whose claim is no longer ours."""
    clock = now()
    return [outcome.item for outcome in outcomes if not _carry_out(raw, outcome, clock)]


def _carry_out(raw: sqlite3.Connection, outcome: Outcome, clock: float) -> bool:
    item = outcome.item
    match outcome:
        case Done(outbox=outbox):
            return _done(raw, item, outbox, clock)
        case Discarded():
            return raw.execute(_ACK, (item.id, item.token)).rowcount == 1
        case Retried(delay_seconds=delay, error=error):
            return _retry(raw, item, clock, delay, error)
        case DeadLettered():
            return _dead_letter(raw, outcome, clock)
        case Released(delay_seconds=delay, note=note):
            return _release(raw, item, clock, delay, note)
        case _:
            assert_never(outcome)


def _done(raw: sqlite3.Connection, item: Item, outbox: Sequence[NewItem], clock: float) -> bool:
    try:
        rows = list(enqueue.rows_of(outbox))
    except BadItem as error:
        # Raised, it would come again with every exchange. Its handler did the work but cannot have meant this: a person
        # has to look.
        told = f"done, but an item it enqueued cannot be stored: {error}"
        return _dead_letter(raw, DeadLettered(item, DeadReason.BAD_ITEM, told), clock)
    if not raw.execute(_ACK, (item.id, item.token)).rowcount:
        return False
    if rows:
        enqueue.insert_many(raw.cursor(), rows)
    return True


def _retry(raw: sqlite3.Connection, item: Item, clock: float, delay: float, error: str) -> bool:
    held = raw.execute(_SQL["held"], (item.id, item.token)).fetchone()
    if held is None:
        return False
    attempts, history = held
    fail(raw, item.id, attempts=attempts, history=history, error=error, clock=clock, delay_seconds=delay)
    return True


def _dead_letter(raw: sqlite3.Connection, outcome: DeadLettered, clock: float) -> bool:
    item = outcome.item
    held = raw.execute(_SQL["held"], (item.id, item.token)).fetchone()
    if held is None:
        return False
    attempts, history = held
    bury(
        raw,
        item.id,
        attempts=attempts,
        history=history,
        error=outcome.error,
        clock=clock,
        reason=outcome.reason,
        traceback=outcome.traceback,
    )
    return True


def _release(raw: sqlite3.Connection, item: Item, clock: float, delay: float, note: str) -> bool:
    last_error = error_text(note) if note else None
    if delay > 0.0:
        released = raw.execute(_SQL["release_later"], (clock + delay, last_error, item.id, item.token))
    else:
        released = raw.execute(_SQL["release"], (last_error, item.id, item.token))
    return released.rowcount == 1


def fail(
    raw: sqlite3.Connection,
    item_id: int,
    *,
    attempts: int,
    history: str | None,
    error: str,
    clock: float,
    delay_seconds: float | None,
    crashes: int = 0,
) -> None:
    """One more failed handling: ready again `delay_seconds` from now; None: at once, in its old place."""
    told = error_text(error)
    entries = extended(read_history(history), HistoryEntry(clock, attempts + 1, told))
    values: dict[str, Any] = {
        "id": item_id,
        "state": "scheduled" if delay_seconds else "ready",
        "available_at": None if delay_seconds is None else clock + delay_seconds,
        "attempts": attempts + 1,
        "crashes": crashes,
        "error": told,
        "history": write_history(entries),
    }
    raw.execute(_SQL["retry"], values)


def bury(
    raw: sqlite3.Connection,
    item_id: int,
    *,
    attempts: int,
    history: str | None,
    error: str,
    clock: float,
    reason: str,
    traceback: str = "",
    crashes: int = 0,
) -> None:
    """The last failed handling: move the item to the dead letters."""
    told = error_text(error)
    entries = extended(read_history(history), HistoryEntry(clock, attempts + 1, told))
    values: dict[str, Any] = {
        "id": item_id,
        "now": clock,
        "reason": str(reason),
        "attempts": attempts + 1,
        "crashes": crashes,
        "error": told,
        "traceback": traceback_text(traceback) or None,
        "fingerprint": fingerprint(told, traceback_text(traceback)),
        "history": write_history(entries),
    }
    raw.execute(_SQL["bury"], values)
    raw.execute(_SQL["delete"], (item_id,))

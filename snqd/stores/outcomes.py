"""What a worker and a store say to each other in an exchange: wishes, how handlings ended, what was claimed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.items import Item, Line, NewItem, QueueName


class DeadReason(StrEnum):
    """Why an item is a dead letter."""

    ATTEMPTS = "attempts"
    """It failed `max_attempts` times."""
    CRASH = "crash"
    """It was running at `crash_limit` deaths of a worker: a poison item."""
    BAD_ITEM = "bad_item"
    """Its frame is not valid for its codec, or its handler has rejected it."""


class Lane(NamedTuple):
    """A wish: up to `limit` ready items of `queues`.

    While claims get all that waits: across the queues of a lane, the queue whose first item is most urgent, then
    oldest, is served first, a batch at a time; within a queue strictly by priority, then `available_at`, then id.

    After a claim that was full, the sites of these queues take turns within a priority, and of eight such claims one
    goes to less urgent items that have aged (see `turns.py`). Within a queue, site and priority the order stays.

    Queues with limits are claimed in turns always, apart from those without (see `shares.py`).
    """

    queues: tuple[QueueName, ...]
    limit: int


class Done(NamedTuple):
    """The item is done: delete it. `outbox` is stored in the same transaction, only if the claim is still ours."""

    item: Item
    outbox: tuple[NewItem, ...] = ()


class Retried(NamedTuple):
    """The item failed or asked for a retry: attempts + 1, scheduled `delay_seconds` from now, error kept in history."""

    item: Item
    delay_seconds: float
    error: str
    traceback: str = ""


class DeadLettered(NamedTuple):
    """The item is given up: attempts + 1, moved to the dead letters with its history."""

    item: Item
    reason: DeadReason
    error: str
    traceback: str = ""


class Discarded(NamedTuple):
    """The handler discards the item: delete it."""

    item: Item
    reason: str


class Released(NamedTuple):
    """The item goes back without using an attempt: ready again, or scheduled `delay_seconds` from now.

    `note` (when not empty) becomes its last error, e.g. "unknown site 'x'".
    """

    item: Item
    delay_seconds: float = 0.0
    note: str = ""


Outcome = Done | Retried | DeadLettered | Discarded | Released


class Exchanged(NamedTuple):
    """What `exchange` did: items claimed (in the order of handling), and items whose outcome came too late.

    `aside`: how many more the claim met and set aside, because they are paused. There may be others behind them.
    `again_seconds`: when a limit that holds something back may leave room, unless that is when an item is done.
    `lines`: `lines_of(claimed)` from a store that had to know; else None.
    """

    claimed: list[Item]
    lost: list[Item]
    aside: int = 0
    again_seconds: float | None = None
    lines: Mapping[Line, int] | None = None

"""What the stores of one `memory://` name share: rows, and the heaps that keep their order.

The entries of a heap are checked when they come up: an item that has changed since is skipped.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snqd.errors import BadItem
from snqd.items import CANARY, Item, ItemId
from snqd.stores import letters
from snqd.stores.fingerprint import fingerprint
from snqd.stores.history import error_text, extended, plain_text, traceback_text
from snqd.stores.memory_ready import Ready
from snqd.stores.records import HistoryEntry, ItemRecord, ItemState, QueueFacts

if TYPE_CHECKING:
    from snqd.items import NewItem, QueueName, SiteName
    from snqd.stores.corrections import Corrected
    from snqd.stores.outcomes import DeadReason
    from snqd.stores.pauses import Pause, Pauses
    from snqd.stores.records import ItemFilter
    from snqd.stores.schedules import ScheduleRow


@dataclass(slots=True)
class Row:
    """An item, or a dead letter (`reason` set)."""

    id: ItemId
    site: SiteName
    queue: QueueName
    codec: str
    frame: bytes
    priority: int
    created: float
    available_at: float
    state: ItemState
    unique_key: str | None
    token: int = 0
    claimed_by: str = ""
    lease_until: float = 0.0
    attempts: int = 0
    crash_attempts: int = 0
    last_error: str | None = None
    history: list[HistoryEntry] = field(default_factory=list)
    reason: DeadReason | None = None
    traceback: str | None = None
    died: float = 0.0
    fingerprint: str | None = None

    def item(self) -> Item:
        return Item(
            self.id, self.token, self.site, self.queue, self.codec, self.frame, self.attempts, self.crash_attempts,
            self.created, self.available_at, self.priority,
        )  # fmt: skip

    def record(self, pauses: Pauses) -> ItemRecord:
        claimed = self.state is ItemState.CLAIMED
        dead = self.reason is not None
        return ItemRecord(
            id=self.id,
            site=self.site,
            queue=self.queue,
            state=state_of(self, pauses),
            codec=self.codec,
            frame=self.frame,
            frame_bytes=len(self.frame),
            priority=self.priority,
            created=self.created,
            available_at=self.available_at,
            attempts=self.attempts,
            crash_attempts=self.crash_attempts,
            unique_key=self.unique_key,
            claimed_by=self.claimed_by if claimed else None,
            lease_until=self.lease_until if claimed else None,
            last_error=self.last_error,
            history=tuple(self.history),
            reason=self.reason,
            traceback=self.traceback,
            died=self.died if dead else None,
            fingerprint=self.fingerprint,
        )


class Data:
    """What the stores of one name share. `lock` is held for every look and change."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.items: dict[ItemId, Row] = {}
        self.dead: dict[ItemId, Row] = {}
        self.keys: dict[tuple[str, str, str], ItemId] = {}
        self.ready = Ready(self.items.get)
        self.buckets: dict[tuple[str, str], float] = {}
        """Of rates: when each will be full."""
        self.scheduled: list[tuple[float, ItemId]] = []
        self.last_id = 0
        self.last_token = 0
        self.bells: set[int] = set()
        self.duties: dict[str, tuple[str, float]] = {}
        self.pauses: dict[tuple[QueueName | None, SiteName | None], Pause] = {}
        self.schedules: dict[tuple[str, str], ScheduleRow] = {}
        self.corrections: list[Corrected] = []

    def place(self, row: Row, state: ItemState) -> None:
        """Put an item where items of `state` are found; the claim, if there was one, is over."""
        row.state = state
        row.token = 0
        if state is ItemState.READY:
            self.ready.add(row)
        elif state is ItemState.SCHEDULED:
            heapq.heappush(self.scheduled, (row.available_at, row.id))

    def due(self) -> float | None:
        """When the next scheduled item is due."""
        while self.scheduled:
            at, item_id = self.scheduled[0]
            row = self.items.get(item_id)
            if row is not None and row.state is ItemState.SCHEDULED and row.available_at == at:
                return at
            heapq.heappop(self.scheduled)
        return None

    def add(self, new: NewItem) -> ItemId | None:
        """Store an item unless its unique key is taken."""
        clock = time.time()
        key = None if new.unique_key is None else (new.site, new.queue, plain_text(new.unique_key))
        if key is not None and key in self.keys:
            return None
        self.last_id += 1
        item_id = ItemId(self.last_id)
        at = new.available_at if new.available_at is not None else clock + max(0.0, new.delay_seconds)
        row = Row(
            id=item_id,
            site=new.site,
            queue=new.queue,
            codec=new.codec,
            frame=bytes(new.frame),
            priority=new.priority,
            created=clock,
            available_at=at,
            state=ItemState.READY,
            unique_key=key[2] if key is not None else None,
        )
        self.items[item_id] = row
        if key is not None:
            self.keys[key] = item_id
        self.place(row, ItemState.SCHEDULED if at > clock else ItemState.READY)
        return item_id

    def remove(self, row: Row) -> None:
        del self.items[row.id]
        if row.unique_key is not None:
            self.keys.pop((row.site, row.queue, row.unique_key), None)

    def fail(self, row: Row, error: str) -> None:
        """One more handling ended badly."""
        row.attempts += 1
        row.last_error = error_text(error)
        row.history = extended(row.history, HistoryEntry(time.time(), row.attempts, row.last_error))

    def later(self, row: Row, delay_seconds: float) -> None:
        row.available_at = time.time() + delay_seconds
        self.place(row, ItemState.SCHEDULED if delay_seconds > 0.0 else ItemState.READY)

    def bury(self, row: Row, reason: DeadReason, traceback: str = "") -> None:
        """Move an item to the dead letters."""
        self.remove(row)
        row.token = 0
        row.reason = reason
        row.traceback = traceback_text(traceback) or None
        row.died = time.time()
        row.fingerprint = CANARY if row.codec == CANARY else fingerprint(row.last_error or "", row.traceback or "")
        self.dead[row.id] = row

    def replay(self, row: Row) -> bool:
        """Move a dead letter back, unless its unique key is taken."""
        if row.unique_key is not None:
            key = (row.site, row.queue, row.unique_key)
            if key in self.keys:
                return False
            self.keys[key] = row.id
        del self.dead[row.id]
        self.items[row.id] = row
        row.attempts = row.crash_attempts = 0
        row.reason = row.traceback = row.fingerprint = None
        self.later(row, 0.0)
        return True

    def ring(self) -> None:
        for bell in self.bells:
            with suppress(BlockingIOError):  # it is full: they will look
                os.write(bell, b"!")


def check(item: NewItem) -> None:
    """Raises `BadItem` for a time that never comes."""
    at = item.delay_seconds if item.available_at is None else item.available_at
    if not float("-inf") < at < float("inf"):
        raise BadItem(f"queue {item.queue!r}: the item's delay or time is not a finite number of seconds")


def state_of(row: Row, pauses: Pauses) -> str:
    """As people see it."""
    if row.reason is not None:
        return "dead"
    if row.state not in (ItemState.READY, ItemState.PAUSED):
        return row.state
    return ItemState.PAUSED if pauses.covers(row.queue, row.site) else ItemState.READY


def matches(row: Row, wanted: ItemFilter, pauses: Pauses) -> bool:
    at = row.died if row.reason is not None else row.created
    return letters.matches(row, wanted, state=state_of(row, pauses), at=at)


def facts(queue: QueueName, site: SiteName, rows: list[Row], clock: float) -> QueueFacts:
    """What is set aside is counted as ready."""
    living = [row for row in rows if row.reason is None]
    ready = [row.available_at for row in living if row.state in (ItemState.READY, ItemState.PAUSED)]
    return QueueFacts(
        queue=queue,
        site=site,
        ready=len(ready),
        scheduled=sum(row.state is ItemState.SCHEDULED for row in living),
        claimed=sum(row.state is ItemState.CLAIMED for row in living),
        dead=len(rows) - len(living),
        lag_seconds=max(0.0, clock - min(ready)) if ready else 0.0,
    )

"""Items, queues and dead letters as people inspect them, and the filter that says which are meant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import BadItem
from snqd.stores.corrections import Place

if TYPE_CHECKING:
    from snqd.items import ItemId, QueueName, SiteName

HISTORY_LIMIT = 20
"""Entries of history kept per item: the first and the latest ones."""
ERROR_LIMIT = 2000
"""Characters of an error message that are kept."""
TRACEBACK_LIMIT = 16000
"""Characters of a traceback that are kept, from its end."""
GROUP_NAMES = 3


class ItemState(StrEnum):
    READY = "ready"
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    PAUSED = "paused"


class HistoryEntry(NamedTuple):
    """One handling that ended badly. `at` in epoch seconds."""

    at: float
    attempt: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """An item as people inspect it. Dead letters have `reason`, `traceback`, `died`. Times in epoch seconds."""

    id: ItemId
    site: SiteName
    queue: QueueName
    state: str
    """ready, scheduled, claimed, paused or dead."""
    codec: str
    frame: bytes
    priority: int
    created: float
    available_at: float
    attempts: int
    crash_attempts: int
    frame_bytes: int = 0
    """How large the frame is, also when `frame` was not asked for and is empty."""
    unique_key: str | None = None
    claimed_by: str | None = None
    lease_until: float | None = None
    last_error: str | None = None
    history: tuple[HistoryEntry, ...] = ()
    reason: str | None = None
    traceback: str | None = None
    died: float | None = None
    fingerprint: str | None = None
    """See `fingerprint.py`. None for a letter of an older snqd that nobody has grouped yet."""

    @property
    def place(self) -> Place:
        return Place(self.died or 0.0, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead letters of one fingerprint. Times in epoch seconds."""

    fingerprint: str
    count: int
    first: float
    """The oldest death."""
    last: float
    """The newest."""
    queues: int
    """How many queues."""
    top_queues: tuple[str, ...]
    """Those with most of the letters, at most `GROUP_NAMES`."""
    sites: int
    top_sites: tuple[str, ...]
    error: str
    """The newest letter's."""
    newest: ItemId


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items a person means; empty fields match everything. All given fields must match."""

    ids: tuple[int, ...] = ()
    queue: str | None = None
    site: str | None = None
    state: ItemState | None = None
    reason: str | None = None
    """Dead letters only."""
    error: str | None = None
    """Substring of the last error."""
    error_class: str | None = None
    """The last error is an exception of this class: `TimeoutError`."""
    fingerprint: str | None = None
    """Dead letters only."""
    since: float | None = None
    """Created (waiting items) or died (dead letters) at this time or later, in epoch seconds of the store's clock."""
    until: float | None = None
    """The same, or earlier."""
    min_attempts: int | None = None
    max_attempts: int | None = None
    limit: int | None = None


class QueueFacts(NamedTuple):
    """Counts of one queue of one site. `lag_seconds` is the age of the oldest ready item, 0.0 when there is none.

    Items that a pause covers are counted as `paused`, not as ready.
    """

    queue: QueueName
    site: SiteName
    ready: int
    scheduled: int
    claimed: int
    dead: int
    lag_seconds: float
    paused: int = 0


def no_dead_letter(item: ItemId) -> BadItem:
    return BadItem(f"item {item} is no dead letter any more: ask again from the newest one")

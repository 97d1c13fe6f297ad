"""The `Store` protocol: what every engine promises, in the words of `docs/architecture.md`.

States of an item: *ready* (claimable now), *scheduled* (its time has not come, or it waits for a retry),
*claimed* (a worker holds it until `lease_until`), *paused* (it would be ready, but a pause covers its queue or site,
see `pauses.py`). Done and discarded items leave the store; what is given up moves to the dead letters.

A store object belongs to one process and is used by one thread at a time; it connects after the fork. Methods block.
Every method may raise `StoreUnavailable` (nothing is lost: call again after `reconnect`), and none raises for an item
whose claim is no longer ours: those come back as `lost`.

The behavioural contract is `tests/stores/contract.py`, run on every store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from snqd.errors import BadItem
from snqd.items import CANARY, ItemId, QueueName, SiteName
from snqd.stores.corrections import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from snqd.items import Item, Line, NewItem
    from snqd.stores.corrections import Corrected, Correction, Kind, Step
    from snqd.stores.limits import Limits
    from snqd.stores.pauses import Pause, PausesKept
    from snqd.stores.probe import Probe
    from snqd.stores.schedules import Due, Kept, Ran, ScheduleRow, Wanted


class ItemState(StrEnum):
    READY = "ready"
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    PAUSED = "paused"


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


class Blame(NamedTuple):
    """An item that was running when its worker died.

    `crashed`: it may have killed the worker: crash_attempts + 1 and attempts + 1; at `crash_limit` it is a dead
    letter, else ready at once. Otherwise it was stopped for its time limit: attempts + 1 and, at `max_attempts`, a
    dead letter, else scheduled after `delay_seconds`.
    """

    item: ItemId
    error: str
    crashed: bool
    max_attempts: int
    delay_seconds: float = 0.0


class Blamed(NamedTuple):
    """What became of a blamed item."""

    item: ItemId
    queue: QueueName
    site: SiteName
    attempts: int
    crash_attempts: int
    dead: DeadReason | None


class GivenBack(NamedTuple):
    """How many items of a queue and site were given back without using an attempt. Canaries are not counted."""

    queue: QueueName
    site: SiteName
    items: int


class Repaired(NamedTuple):
    """What `repair` did: items that were blamed, and items that were released without using an attempt.

    `ids` are those of both kinds, canaries too: what the claimant held.
    """

    blamed: list[Blamed]
    released: list[GivenBack]
    ids: frozenset[ItemId]


class Reclaimed(NamedTuple):
    """Items given back because their lease ran out. Canaries are not counted."""

    claimant: str
    queue: QueueName
    site: SiteName
    items: int


class Expired(NamedTuple):
    """Dead letters of a queue that were deleted because they were old. `oldest`: when the first of them died."""

    queue: QueueName
    letters: int
    oldest: float

    def with_more(self, other: Expired) -> Expired:
        return self._replace(letters=self.letters + other.letters, oldest=min(self.oldest, other.oldest))


def given_back(rows: Iterable[tuple[int, str, str, str]]) -> tuple[list[GivenBack], frozenset[ItemId]]:
    """The counts and the ids of released items, given as rows of id, queue, site, codec."""
    counts: dict[tuple[QueueName, SiteName], int] = {}
    ids = []
    for number, queue, site, codec in rows:
        ids.append(ItemId(number))
        if codec != CANARY:
            flow = (QueueName(queue), SiteName(site))
            counts[flow] = counts.get(flow, 0) + 1
    return [GivenBack(*flow, items) for flow, items in sorted(counts.items())], frozenset(ids)


def expired(rows: Iterable[tuple[str, float]]) -> list[Expired]:
    """Of deleted dead letters, given as queue and when they died."""
    found: dict[str, Expired] = {}
    for queue, died in rows:
        each = Expired(QueueName(queue), 1, died)
        found[queue] = each if queue not in found else found[queue].with_more(each)
    return [each for _queue, each in sorted(found.items())]


def no_dead_letter(item: ItemId) -> BadItem:
    return BadItem(f"item {item} is no dead letter any more: ask again from the newest one")


class Duty(NamedTuple):
    """Who serves a group that may have one worker only. `before`: who did until now, if somebody else; else empty."""

    claimant: str
    before: str = ""


class Promoted(NamedTuple):
    """How many scheduled items became ready, and seconds until the next one is due (None: none is scheduled)."""

    items: int
    next_due_seconds: float | None


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


class HistoryEntry(NamedTuple):
    """One handling that ended badly. `at` in epoch seconds."""

    at: float
    attempt: int
    error: str


HISTORY_LIMIT = 20
"""Entries of history kept per item: the first and the latest ones."""
ERROR_LIMIT = 2000
"""Characters of an error message that are kept."""
TRACEBACK_LIMIT = 16000
"""Characters of a traceback that are kept, from its end."""


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


GROUP_NAMES = 3


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """Which migrations the store has and which this program knows."""

    applied: tuple[str, ...]
    known: tuple[str, ...]
    pending: tuple[str, ...] = field(default=())
    unknown: tuple[str, ...] = field(default=())
    """Applied by a newer snqd."""


class Store(Protocol):
    """See the module. `claimant` (set by the worker before the first claim) is what `claimed_by` says."""

    kind: str
    claimant: str
    linger_seconds: float
    """How long after an empty claim a worker looks once more: what a wake-up may be late, debouncing included."""
    wakes_all: bool
    """Whether every worker opens the wake-ups, because items are pushed to each. Otherwise who has the watch does."""
    shows_items: bool
    """Whether what waits can be looked at: `find`, `counts`, `retry_now` and `discard` raise `StoreError` where not."""
    wakeup_problem: str | None
    """Why `open_wakeups` gave no descriptors, in words for the operator; None when it did."""
    limits: Limits
    """What `exchange` goes by; set by the worker, before each one if need be."""

    # connection
    def connect(self) -> None:
        """Connect and check the schema. Raises `StoreUnavailable`, `SchemaMismatch`, `StoreError`."""

    def reconnect(self, held: Iterable[Item]) -> None:
        """Connect again after `StoreUnavailable`, and release what is claimed in our name but not in `held`.

        (A claim whose answer was lost with the connection would otherwise wait for its lease to end.)
        """

    def close(self) -> None: ...

    # enqueue
    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        """Store items in one durable transaction; None for one whose unique key is taken."""

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        """Store a batch the fastest way, in one transaction; the number stored (duplicates are not)."""

    # work
    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        """Report outcomes and claim for each lane, in one durable transaction.

        An item that another claimant holds is never given out; items locked by a claim in progress are skipped. With
        `limits` no more is claimed than they leave room for, whoever else claims from this store.
        """

    def renew(self, items: Sequence[Item]) -> list[Item]:
        """Extend the leases of `items` to `lease_seconds` from now; those no longer ours are returned."""

    def transaction(self, item: Item) -> AbstractContextManager[Any]:
        """A transaction that acks `item` and in which a handler works; the value is a driver connection.

        Raises `LeaseLost` at once if the claim is not ours. Commits on leaving, rolls back on an exception (the claim
        is then still ours). Runs on a connection of its own, so that leases are renewed and items claimed meanwhile.
        """

    # care
    def promote(self) -> Promoted:
        """Make due scheduled items ready."""

    def reclaim(self) -> list[Reclaimed]:
        """Give back items whose lease ran out, without using an attempt."""

    def claimants(self) -> list[str]:
        """Everyone who holds an item now."""

    def repair(self, claimant: str, blames: Sequence[Blame], *, crash_limit: int) -> Repaired:
        """Give back what a dead claimant held. Repeating it does nothing: only items still in its name are touched."""

    def take_duty(self, group: str, *, seconds: float, instead_of: str = "") -> Duty:
        """Be the one claimant that serves `group`, for `seconds` from now; who does: we, or another that came first.

        Repeat it in time to keep it. `instead_of`: a claimant that is surely dead, whose time need not be waited for.
        Who takes over gives back what the one before held before it claims anything, so that the order stays.
        """

    def leave_duty(self, group: str) -> None:
        """Let another claimant serve `group`, at once. Nothing happens when it is not ours."""

    def unhandled_queues(self, handled: Sequence[QueueName]) -> list[QueueName]:
        """Queues that have items, canaries apart, and are not in `handled`, found without counting items."""

    def expire_dead(self, seconds: float, *, limit: int) -> list[Expired]:
        """Delete dead letters that died longer ago, the oldest first, at most `limit` in one transaction, by queue.

        Those that somebody else is at are left for the next time.
        """

    # pauses
    def pause(
        self,
        queue: QueueName | None,
        site: SiteName | None,
        *,
        author: str,
        reason: str = "",
        seconds: float | None = None,
    ) -> Pause:
        """Hand out no more items of a queue (of all sites), a site (of all queues), or a queue of a site.

        What is claimed already is finished. The pause ends by itself after `seconds`. One of the same queue and site
        that holds is changed, and goes on. Every worker goes by it within `pauses.LOOK_SECONDS`. Raises `BadItem` when
        neither is given or a name is wrong.
        """

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        """End the pause of exactly that queue and site, and wake idle workers; None when there is none.

        Some thousand items that were set aside are back when this returns, the rest with `keep_pauses`.
        """

    def pauses(self) -> list[Pause]:
        """Those that hold now, by queue and site."""

    def keep_pauses(self) -> PausesKept:
        """Set aside what is paused, bring back what is not any more. Cheap when nothing has changed. For care."""

    # schedules
    def schedules(self) -> list[ScheduleRow]:
        """Every schedule that some daemon on this store has declared, by site and name."""

    def keep_schedules(self, wanted: Sequence[Wanted], declared_by: str) -> Kept:
        """Note which schedules there are. Those that `declared_by` declared before and does not now are forgotten.

        A new one, and one whose definition has changed, has missed nothing until now.
        """

    def run_schedules(self, dues: Sequence[Due], declared_by: str) -> Ran:
        """Deal with due times, in one durable transaction: each once, whoever else tries. Never waits for others."""

    def was_run(self, site: str, name: str) -> None:
        """The schedule was run by hand."""

    # waking
    def open_wakeups(self) -> list[int]:
        """Begin to watch for new items; file descriptors that become readable then. Empty: only polling is possible.

        Called in one worker per host and group (the one with the watch), which wakes the others.
        """

    def read_wakeups(self) -> bool:
        """Read the descriptors of `open_wakeups` without blocking. True: look for items now."""

    def close_wakeups(self) -> None: ...

    # people
    def counts(self) -> list[QueueFacts]:
        """Exact counts per queue and site, canaries left out. Walks the table: for people, not for a hot path."""

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:
        """Waiting and claimed items, oldest id first, streamed. Without `frames` they are empty: they may be large."""

    def find_dead(self, wanted: ItemFilter) -> Iterator[ItemRecord]:
        """Dead letters, oldest death first, streamed."""

    def dead_page(self, wanted: ItemFilter, *, after: Place | None = None, frames: bool = False) -> list[ItemRecord]:
        """A page of `wanted.limit` dead letters, the newest death first, without canaries, and without their frames.

        `after` is the place of the last one of the page before, whether it is still there or not.
        """

    def dead_groups(self, wanted: ItemFilter) -> list[DeadGroup]:
        """Dead letters by fingerprint, the most numerous first, at most `wanted.limit`; canaries left out."""

    def name_some(self, most: int) -> int:
        """Give fingerprints to at most `most` dead letters that have none; how many had none."""

    def clock(self) -> float:
        """The store's time, in epoch seconds."""

    # corrections
    def retry_now(self, wanted: ItemFilter, *, author: str = "") -> int:
        """Make matching scheduled items ready. With an `author` it is written down, like the next ones."""

    def discard(self, wanted: ItemFilter, *, author: str = "") -> int:
        """Delete matching items that are not claimed."""

    def replay(self, wanted: ItemFilter, *, author: str = "") -> int:
        """Move matching dead letters back: ready, attempts and crash attempts 0, history kept."""

    def discard_dead(self, wanted: ItemFilter, *, author: str = "") -> int:
        """Delete matching dead letters."""

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:
        """Any of these a step at a time: see `corrections.Correcting`."""

    def step(self, correction: Correction, after: Place | None, most: int) -> Step: ...

    def end(self, correction: Correction, outcome: str) -> None: ...

    def count(self, kind: Kind, wanted: ItemFilter) -> int:
        """How many a correction would find now, up to `wanted.limit`."""

    def corrections(self, kinds: Collection[Kind], limit: int) -> list[Corrected]:
        """What was written down, the latest first."""

    def probe(self) -> Probe:
        """What watches the data of this store, in this process or in another one. Opens nothing yet."""

    # schema
    def schema_status(self) -> SchemaStatus: ...

    def schema_upgrade(self) -> list[str]:
        """Apply pending migrations, each in a transaction; their names. Safe when two run at once."""


class Migration(NamedTuple):
    """A numbered, forward-only step of the schema: file name without `.sql`, and its text."""

    name: str
    sql: str

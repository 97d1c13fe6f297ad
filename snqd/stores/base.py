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
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from snqd.items import Item, ItemId, NewItem, QueueName, SiteName
    from snqd.stores.corrections import Corrected, Correction, Kind, Place, Step
    from snqd.stores.limits import Limits
    from snqd.stores.outcomes import Exchanged, Lane, Outcome
    from snqd.stores.pauses import Pause, PausesKept
    from snqd.stores.probe import Probe
    from snqd.stores.records import DeadGroup, ItemFilter, ItemRecord, QueueFacts
    from snqd.stores.repairs import Blame, Duty, Expired, Promoted, Reclaimed, Repaired
    from snqd.stores.schedules import Due, Kept, Ran, ScheduleRow, Wanted


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

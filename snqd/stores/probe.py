"""`Probe`: how a store is watched, on a connection of its own and with bounded work, whatever waits in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from snqd.items import ItemId, QueueName, SiteName
    from snqd.stores.pauses import Pause


class QueueLag(NamedTuple):
    """Age in seconds of the oldest ready item of a queue that has one."""

    queue: QueueName
    lag_seconds: float


class SiteDepth(NamedTuple):
    """What waits for one queue and site, as in `QueueFacts`; `is_estimate`: some count is not exact."""

    queue: QueueName
    site: SiteName
    ready: int
    scheduled: int
    in_flight: int
    lag_seconds: float
    dead: int
    is_estimate: bool
    paused: int = 0


class StoreHealth(NamedTuple):
    """How the store itself is, in the words of `snqd.telemetry.facts.StoreFact`: -1 is not known, 0 or "" is none.

    `pin_pid` is -1 when no process keeps dead rows from being cleaned up, but what `pin_query` names.
    """

    round_trip_seconds: float
    table_bytes: int = -1
    index_bytes: int = -1
    dead_rows: int = -1
    last_autovacuum: float = 0.0
    pin_pid: int = 0
    pin_age_seconds: float = 0.0
    pin_query: str = ""
    live_rows: int = -1
    dead_letter_bytes: int = -1
    free_bytes: int = -1


class ScheduleState(NamedTuple):
    """How far a schedule has come: of the `sites` that share it, `site` is furthest behind.

    `last_due`: no due time up to it is looked at again. `now`: by the store's clock, as that.
    """

    name: str
    queue: str
    definition: str
    declared_by: str
    sites: int
    site: str
    last_due: float
    now: float


SCHEDULES = 1000
"""Of more different schedules a probe tells those whose last due time is longest ago."""


class Probe(Protocol):
    """Questions that can be asked all day, whatever waits: bounded work, nothing written, nobody kept waiting.

    It has a connection of its own, opened by the first question and again after one that failed, and is used by one
    thread at a time, which need not be the store's. Every question may raise `StoreUnavailable`, and nothing else.
    Canary items are left out everywhere but in `has_item`.
    """

    def lags(self) -> list[QueueLag]:
        """The lag of each queue that has ready items, in order of the queues' names. Paused items have none.

        Exact; but while a site is paused, items behind some thousands of it that nobody has set aside yet are not seen.
        """

    def depths(self) -> list[SiteDepth]:
        """What waits, by queue and site: exact where it is little, estimates where it is much."""

    def pauses(self) -> list[Pause]:
        """The pauses that hold, and those that ended within the last day or so."""

    def health(self) -> StoreHealth: ...

    def schedules(self) -> list[ScheduleState]:
        """The schedules that are kept, those of other daemons too: one for each name, queue and definition."""

    def has_item(self, item: ItemId) -> bool:
        """Whether an item waits or is claimed."""

    def close(self) -> None:
        """Give the connection back. A later question opens another."""

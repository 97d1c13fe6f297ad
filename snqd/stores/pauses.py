"""Pauses: queues, sites and pairs of both whose items are not handed out for now.

A pause is a row of the store, so it outlives every process and holds on every host; its time runs by the store's clock.

Nothing that waits is touched when a *queue* is paused: claims leave the queue out. A paused *site* is another matter,
since its items lie in the queues among those of others, and a claim that steps over a million of them each time would
take a second. So whoever meets one sets it *aside*, into a state of its own: a claim does so with what it took, and the
worker with the watch with what lies at the beginning of each queue (`keep_pauses`). A claim then costs what it costs
without a pause, and setting aside costs no more than handling would have. When the pause is over they are brought back.

What people and facts call *paused* is not that state, but every item that could be claimed were it not for a pause,
whether or not somebody has set it aside yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.errors import BadItem
from snqd.items import QueueName, SiteName
from snqd.names import check_name
from snqd.stores.history import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from snqd.items import Item
    from snqd.stores.outcomes import Lane
    from snqd.stores.records import QueueFacts

LOOK_SECONDS = 0.5
"""How old what a store knows may be while nothing is paused: a pause takes hold on every worker within that time."""
KEPT_SECONDS = 86400.0
"""A pause that is over is remembered so long, for those who want to know who ended it."""
HEAD_ROWS = 100
"""Of each queue and priority so many ready items, the first ones, are looked at for some to be set aside."""
PAUSED_ROWS = 5_000
"""Items of paused sites that nobody has set aside yet: so many of them a probe looks past."""
AUTHOR_LIMIT = 100
"""Characters of a name that are kept."""
REASON_LIMIT = 200
"""Characters of a reason that are kept: all of a pause has to fit into one datagram."""


class Pause(NamedTuple):
    """`queue` None: all queues; `site` None: all sites. Times in epoch seconds by the store's clock.

    `expires_at` None: until it is resumed. `ended_at` and `ended_by` are of one that somebody resumed.
    """

    queue: QueueName | None
    site: SiteName | None
    author: str = ""
    reason: str = ""
    since: float = 0.0
    expires_at: float | None = None
    ended_at: float | None = None
    ended_by: str = ""


def pause_of(row: Sequence[Any]) -> Pause:
    """From a row of the table, where an empty name means all."""
    queue, site, *others = row
    return Pause(QueueName(queue) if queue else None, SiteName(site) if site else None, *others)


class PausesKept(NamedTuple):
    """What `keep_pauses` did: items set aside, items brought back. `has_more`: there was no time for all of them."""

    aside: int = 0
    back: int = 0
    has_more: bool = False


def check_target(queue: str | None, site: str | None) -> tuple[QueueName | None, SiteName | None]:
    """What is to be paused or resumed. Raises `BadItem` when it names neither a queue nor a site, or a wrong name."""
    if queue is None and site is None:
        raise BadItem("a pause needs a queue, a site or both: to stop everything, stop the daemon")
    return (
        None if queue is None else QueueName(check_name("queue", queue)),
        None if site is None else SiteName(check_name("site", site)),
    )


def author_text(author: str) -> str:
    return plain_text(" ".join(author.split()))[:AUTHOR_LIMIT]


def reason_text(reason: str) -> str:
    text = plain_text(" ".join(reason.split()))
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1] + "…"


class Pauses:
    """The pauses that hold, ready for the question whether one of them covers an item. Never changed."""

    def __init__(self, pauses: Iterable[Pause] = ()) -> None:
        self.all = tuple(pauses)
        self.queues = frozenset(each.queue for each in self.all if each.queue is not None and each.site is None)
        self.sites = frozenset(each.site for each in self.all if each.site is not None and each.queue is None)
        self.pairs = frozenset(
            (each.queue, each.site) for each in self.all if each.queue is not None and each.site is not None
        )
        self.has_sites = bool(self.sites or self.pairs)
        """Whether there is a pause that concerns some items of a queue and not others."""

    def __bool__(self) -> bool:
        return bool(self.all)

    def __iter__(self) -> Iterator[Pause]:
        return iter(self.all)

    def covers(self, queue: str, site: str) -> bool:
        """Whether items of that queue and site are not handed out."""
        return queue in self.queues or self.covers_site(queue, site)

    def covers_site(self, queue: str, site: str) -> bool:
        """The same, but for pauses of the whole queue."""
        return site in self.sites or (queue, site) in self.pairs

    def sites_of(self, queue: str) -> list[str]:
        """The sites whose items in that queue are not handed out, pauses of the whole queue aside."""
        return sorted(self.sites | {site for of_queue, site in self.pairs if of_queue == queue})

    def judged(self, facts: QueueFacts) -> QueueFacts:
        """Counts in which what is set aside is counted as ready, with what is paused told apart."""
        if not self.covers(facts.queue, facts.site):
            return facts
        return facts._replace(ready=0, lag_seconds=0.0, paused=facts.ready)

    def open_lanes(self, lanes: Sequence[Lane]) -> Sequence[Lane]:
        """`lanes` without paused queues."""
        if not self.queues:
            return lanes
        left = ((lane, tuple(queue for queue in lane.queues if queue not in self.queues)) for lane in lanes)
        return [lane._replace(queues=queues) for lane, queues in left if queues]

    def part(self, items: list[Item]) -> tuple[list[Item], list[Item]]:
        """Items that may be handed out, and those that are to be set aside."""
        if not self.has_sites:
            return items, []
        aside = [item for item in items if self.covers_site(item.queue, item.site)]
        return [item for item in items if not self.covers_site(item.queue, item.site)] if aside else items, aside


NO_PAUSES = Pauses()


class PauseLook:
    """What one store knows of the pauses, and when it has to ask again. Monotonic seconds.

    `again_seconds`: how old it may be while something is paused. Who is woken by a resume must not go by what it knew
    before. `known` is the same object until something has changed.
    """

    def __init__(self, *, again_seconds: float) -> None:
        self.known = NO_PAUSES
        self._again_seconds = again_seconds
        self._due = 0.0

    def is_due(self, now: float) -> bool:
        return now >= self._due

    def saw(self, pauses: Iterable[Pause], now: float) -> None:
        found = tuple(pauses)
        if found != self.known.all:
            self.known = Pauses(found) if found else NO_PAUSES
        self._due = now + (self._again_seconds if found else LOOK_SECONDS)

    def forget(self) -> None:
        """Ask before the next claim."""
        self._due = 0.0

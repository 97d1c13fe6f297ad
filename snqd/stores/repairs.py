"""What became of items that nobody reported: those of dead workers, late ones, old letters; and who is on duty."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.items import CANARY, ItemId, QueueName, SiteName
from snqd.stores.outcomes import DeadReason  # noqa: TC001 - msgspec looks it up, for brokers

if TYPE_CHECKING:
    from collections.abc import Iterable


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


class Promoted(NamedTuple):
    """How many scheduled items became ready, and seconds until the next one is due (None: none is scheduled)."""

    items: int
    next_due_seconds: float | None


class Duty(NamedTuple):
    """Who serves a group that may have one worker only. `before`: who did until now, if somebody else; else empty."""

    claimant: str
    before: str = ""

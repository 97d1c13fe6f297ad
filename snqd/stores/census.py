"""What waits by queue and site, put together from the bounded looks that a probe takes into its store.

Of each line (see `estimate.py`) the first rows are counted by the store; a line that ends there is exact. The other
lines are surveyed, and their numbers are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from snqd.items import QueueName, SiteName
from snqd.stores.base import SiteDepth
from snqd.stores.estimate import Row, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from snqd.stores.estimate import Look, View

    Kind = Literal["ready", "scheduled", "dead"]
    CountName = Literal["ready", "scheduled", "in_flight", "dead"]

EXACT_ROWS = 5_000
"""Rows of one line that are counted."""
READ_ROWS = 20_000
"""Rows that are counted in all lines of a kind together, unless there are so many lines that each gets the least."""
LEAST_ROWS = 64
CLAIMED_ROWS = 20_000
"""Claimed items that are counted."""


class Counted(NamedTuple):
    """Rows of a line that were counted together; one of the last `EDGE_ROWS` before the limit stands alone."""

    queue: str
    site: str
    rows: int
    oldest_at: float
    last_id: int
    is_last: bool


class Source(Protocol):
    """The lines of a store. `number` is a line's place among those of its kind."""

    def lines(self, kind: Kind) -> int:
        """How many there are."""

    def first(self, kind: Kind, numbers: Sequence[int], limit: int) -> list[list[Counted]]:
        """The first `limit` rows of these lines."""

    def look(self, kind: Kind, looks: Sequence[Look]) -> list[View]: ...

    def has_ids(self, kind: Kind, /) -> bool:
        """Whether a look can tell apart the rows of one moment."""


@dataclass(slots=True)
class _Depth:
    ready: float = 0.0
    scheduled: float = 0.0
    in_flight: float = 0.0
    dead: float = 0.0
    oldest_at: float | None = None
    is_estimate: bool = False

    def add(self, name: CountName, rows: float, at: float | None = None) -> None:
        setattr(self, name, getattr(self, name) + rows)
        if name == "ready" and at is not None and (self.oldest_at is None or at < self.oldest_at):
            self.oldest_at = at


class Census:
    """Collects numbers. Times in epoch seconds by the store's clock."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Depth] = {}

    def _of(self, queue: str, site: str) -> _Depth:
        return self._found.setdefault((queue, site), _Depth())

    def take(self, kind: Kind, source: Source) -> None:
        """Count or estimate all lines of a kind."""
        heads = _heads(kind, source)
        for counted, _is_all in heads.values():
            for group in counted:
                self._of(group.queue, group.site).add(kind, group.rows, group.oldest_at)
        longer = [number for number, (_counted, is_all) in heads.items() if not is_all]
        ends = [_end(heads[number][0]) for number in longer]

        def look(looks: Sequence[Look]) -> list[View]:
            return source.look(kind, [one._replace(line=longer[one.line]) for one in looks])

        for found in survey(ends, look, has_ids=source.has_ids(kind)) if longer else ():
            for row in found.seen:
                self._of(row.queue, row.site).add(kind, 1, row.at)
            for (queue, site), rows in found.estimate().items():
                self._of(queue, site).add(kind, rows)
                self._of(queue, site).is_estimate = True

    def claimed(self, counts: Iterable[tuple[str, str, int]]) -> None:
        """Add claimed items: queue, site, number. Those of `CLAIMED_ROWS` or more are a lower bound."""
        counts = list(counts)
        is_estimate = sum(rows for _queue, _site, rows in counts) >= CLAIMED_ROWS
        for queue, site, rows in counts:
            self._of(queue, site).add("in_flight", rows)
            self._of(queue, site).is_estimate |= is_estimate

    def depths(self, now: float) -> list[SiteDepth]:
        return [
            SiteDepth(
                queue=QueueName(queue),
                site=SiteName(site),
                ready=round(depth.ready),
                scheduled=round(depth.scheduled),
                in_flight=round(depth.in_flight),
                lag_seconds=max(0.0, now - depth.oldest_at) if depth.oldest_at is not None else 0.0,
                dead=round(depth.dead),
                is_estimate=depth.is_estimate,
            )
            for (queue, site), depth in sorted(self._found.items())
        ]


def _heads(kind: Kind, source: Source) -> dict[int, tuple[list[Counted], bool]]:
    """The counted beginning of each line, and whether it is all of it.

    Each line gets its share of `READ_ROWS`; what short lines leave of theirs is shared by the long ones.
    """
    heads: dict[int, tuple[list[Counted], bool]] = {}
    wanted, last_limit = list(range(source.lines(kind))), 0
    while wanted:
        limit = min(EXACT_ROWS, max(LEAST_ROWS, READ_ROWS // len(wanted)))
        if limit < 2 * last_limit or limit == last_limit:
            break
        for number, counted in zip(wanted, source.first(kind, wanted, limit), strict=True):
            heads[number] = (counted, sum(group.rows for group in counted) < limit)
        wanted, last_limit = [number for number in wanted if not heads[number][1]], limit
    return heads


def _end(counted: list[Counted]) -> list[Row]:
    """The last rows of a counted beginning, in the line's order."""
    rows = [Row(group.oldest_at, group.last_id, group.queue, group.site) for group in counted if group.is_last]
    return sorted(rows)

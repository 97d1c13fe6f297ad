"""What waits by queue and site, put together from the bounded looks that a probe takes into its store.

Of each line (see `estimate.py`) the first rows are counted by the store; a line that ends there is exact. The other
lines are surveyed; those that seem to be short are counted after all, and the others' numbers are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from snqd.items import QueueName, SiteName
from snqd.stores.estimate import Row, survey
from snqd.stores.probe import SiteDepth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from snqd.stores.estimate import Look, Survey, View
    from snqd.stores.pauses import Pauses

    Kind = Literal["ready", "paused", "scheduled", "dead"]
    CountName = Literal["ready", "paused", "scheduled", "in_flight", "dead"]

EXACT_ROWS = 5_000
"""Rows of one line that are counted, when it does not seem to have more."""
READ_ROWS = 10_000
"""Rows that are counted in all lines of a kind together, unless there are so many lines that each gets the least."""
HEAD_ROWS = 512
"""Rows of each line that are counted in any case, but `LEAST_ROWS` when there are many lines."""
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
    paused: float = 0.0
    """Set aside: whether it is paused is decided by the pauses that hold."""
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
        lines = list(range(source.lines(kind)))
        beginnings = _counted(kind, source, lines, HEAD_ROWS)
        longer = [number for number, found in beginnings.items() if not found.is_all]
        surveys = self._survey(kind, source, {number: beginnings[number] for number in longer})
        shorter = [number for number in longer if surveys[number].rows < 1.5 * EXACT_ROWS]
        for number, beginning in _counted(kind, source, shorter, EXACT_ROWS).items():
            if beginning.is_all:
                beginnings[number] = beginning
                del surveys[number]
        for beginning in beginnings.values():
            for group in beginning.counted:
                self._of(group.queue, group.site).add(kind, group.rows, group.oldest_at)
        for found in surveys.values():
            self._add_survey(kind, found)

    def _survey(self, kind: Kind, source: Source, beginnings: dict[int, _Beginning]) -> dict[int, Survey]:
        numbers = list(beginnings)

        def look(looks: Sequence[Look]) -> list[View]:
            return source.look(kind, [one._replace(line=numbers[one.line]) for one in looks])

        ends = [found.end() for found in beginnings.values()]
        return dict(zip(numbers, survey(ends, look, has_ids=source.has_ids(kind)) if ends else [], strict=True))

    def _add_survey(self, kind: Kind, found: Survey) -> None:
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

    def depths(self, now: float, pauses: Pauses) -> list[SiteDepth]:
        return [self._told(queue, site, depth, now, pauses) for (queue, site), depth in sorted(self._found.items())]

    def _told(self, queue: str, site: str, depth: _Depth, now: float, pauses: Pauses) -> SiteDepth:
        ready, is_paused = round(depth.ready + depth.paused), pauses.covers(queue, site)
        oldest_at = None if is_paused else depth.oldest_at
        return SiteDepth(
            queue=QueueName(queue),
            site=SiteName(site),
            ready=0 if is_paused else ready,
            scheduled=round(depth.scheduled),
            in_flight=round(depth.in_flight),
            lag_seconds=max(0.0, now - oldest_at) if oldest_at is not None else 0.0,
            dead=round(depth.dead),
            is_estimate=depth.is_estimate,
            paused=ready if is_paused else 0,
        )


class _Beginning(NamedTuple):
    """Of a line: what was counted, and whether that is all of it."""

    counted: list[Counted]
    is_all: bool

    def end(self) -> list[Row]:
        """Its last rows, in the line's order."""
        return sorted(Row(one.oldest_at, one.last_id, one.queue, one.site) for one in self.counted if one.is_last)


def _counted(kind: Kind, source: Source, numbers: list[int], limit: int) -> dict[int, _Beginning]:
    """The beginnings of these lines, up to `limit` rows or their share of `READ_ROWS`."""
    if not numbers:
        return {}
    limit = min(limit, max(LEAST_ROWS, READ_ROWS // len(numbers)))
    found = source.first(kind, numbers, limit)
    return {
        number: _Beginning(counted, sum(one.rows for one in counted) < limit)
        for number, counted in zip(numbers, found, strict=True)
    }

"""How many rows lie in an index range that is too long to be counted, from a few short looks into it.

A *line* is what lies in one order: the ready items of a queue and priority, or what is scheduled, or the dead letters.
Its beginning has been counted, its last rows are known; in between is a *gap*. A look at the middle of a gap shows some
rows before and after that place, with nothing between them, and leaves two smaller gaps. The gap that seems to hold
most rows is the next one that is looked into.

What a gap holds is reckoned from its edges. Ids are given out in order, so rows that lie in order of their ids are as
dense in ids there as at the edges; this sees what was loaded in bulk, at one time. Retried items lie in order of their
time but not of their ids: they are as dense in time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EDGE_ROWS = 16
"""Rows that a look shows on each side of its place."""
LOOKS = 48
"""Looks into gaps, over all lines."""
_LOOKS_AT_ONCE = 16
_HIGHEST_ID = 2**63 - 1
_IN_ORDER_SHARE = 0.85


class Row(NamedTuple):
    """`at` in epoch seconds; 0.0 in a line that is in order of ids alone."""

    at: float
    id: int
    queue: str
    site: str


class Place(NamedTuple):
    """A place in a line, before the row that would lie exactly there."""

    at: float
    id: int


END = Place(float("inf"), _HIGHEST_ID)


class Look(NamedTuple):
    line: int
    place: Place


class View(NamedTuple):
    """What a look shows: up to `EDGE_ROWS` rows before the place and from it on, each in the line's order."""

    before: Sequence[Row]
    after: Sequence[Row]


class Edge:
    """Neighbouring rows at one end of a gap, and how dense they are there."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.ids = {row.id for row in rows}
        ordered = sorted(self.ids)
        count = len(ordered)
        self.middle_id = ordered[count // 2]
        self.is_burst = count > 1 and rows[0].at == rows[-1].at
        outer = count // 8  # left out at both ends: an old item that was retried among them, or one out of turn
        spread = ordered[-1 - outer] - ordered[outer]
        self.per_id = (count - 1 - 2 * outer) / spread if spread and _is_in_order(rows) else None
        seconds = rows[-1].at - rows[0].at
        self.per_second = (count - 1) / seconds if 0.0 < seconds < float("inf") else None


def _is_in_order(rows: Sequence[Row]) -> bool:
    """Whether ids grow along the rows, neighbours that changed places aside."""
    half = len(rows) // 2
    ascending = sum(early.id < late.id for early, late in zip(rows[:half], rows[-half:], strict=True))
    return half > 0 and ascending >= _IN_ORDER_SHARE * half


class Gap:
    """What lies between two edges of a line, and how many rows that may be."""

    def __init__(self, line: int, lower: Edge, upper: Edge) -> None:
        self.line, self.lower, self.upper = line, lower, upper
        guesses = [guess for edge in (lower, upper) if (guess := self._guess(edge)) is not None]
        self.rows = max(0.0, sum(guesses) / len(guesses)) if guesses else 0.0

    def _guess(self, edge: Edge) -> float | None:
        ids = self.upper.middle_id - self.lower.middle_id
        if edge.per_id is not None and ids > 0:
            return ids * edge.per_id - (len(self.lower.rows) + len(self.upper.rows)) / 2
        seconds = self.upper.rows[0].at - self.lower.rows[-1].at
        return None if edge.per_second is None or seconds == float("inf") else seconds * edge.per_second

    def middle(self, *, has_ids: bool) -> Place | None:
        """Where to look next; None where no place can be named, within one moment of a line without ids."""
        low, high = self.lower.rows[-1], self.upper.rows[0]
        if low.at == high.at:
            return Place(low.at, (low.id + high.id) // 2 + 1) if has_ids else None
        if self.lower.is_burst:
            return Place(low.at, _HIGHEST_ID)
        if self.upper.is_burst:
            return Place(high.at, 0)
        return Place((low.at + high.at) / 2, 0)

    def split(self, view: View, *, has_ids: bool) -> tuple[list[Row], list[Gap]]:
        """The rows in the gap that a look showed, and the gaps that are left."""
        low, high = self.lower.rows[-1], self.upper.rows[0]
        known = self.lower.ids | self.upper.ids

        def is_new(row: Row) -> bool:
            if row.id in known or not low.at <= row.at <= high.at:
                return False
            return not has_ids or low[:2] < row[:2] < high[:2]

        before = [row for row in view.before if is_new(row)]
        after = [row for row in view.after if is_new(row)]
        gaps = []
        if before and len(before) == EDGE_ROWS:  # fewer: the look reached what was known
            gaps.append(Gap(self.line, self.lower, Edge(before)))
        if after and len(after) == EDGE_ROWS:
            gaps.append(Gap(self.line, Edge(after), self.upper))
        return before + after, gaps


class Survey:
    """What was found of one line beyond the rows that were counted."""

    def __init__(self) -> None:
        self.seen: list[Row] = []
        self.gaps: list[Gap] = []

    @property
    def rows(self) -> float:
        """How many there seem to be."""
        return len(self.seen) + sum(gap.rows for gap in self.gaps)

    def estimate(self) -> dict[tuple[str, str], float]:
        """Rows in the gaps, by queue and site: as these share the edges of each gap."""
        found: defaultdict[tuple[str, str], float] = defaultdict(float)
        for gap in self.gaps:
            edges = Counter((row.queue, row.site) for edge in (gap.lower, gap.upper) for row in edge.rows)
            for key, share in edges.items():
                found[key] += gap.rows * share / edges.total()
        return found


def survey(
    counted: Sequence[Sequence[Row]],
    look: Callable[[Sequence[Look]], Sequence[View]],
    *,
    has_ids: bool = True,
    looks: int = LOOKS,
) -> list[Survey]:
    """Survey lines whose beginning was counted: `counted` has the last rows of each beginning, at least one."""
    found = [Survey() for _ in counted]
    tails = look([Look(line, END) for line in range(len(counted))])
    for line, (rows, tail) in enumerate(zip(counted, tails, strict=True)):
        lower = Edge(rows)
        last = rows[-1]
        rest = [
            row
            for row in tail.before
            if row.id not in lower.ids and (row[:2] > last[:2] if has_ids else row.at >= last.at)
        ]
        found[line].seen += rest
        if len(rest) == EDGE_ROWS:
            found[line].gaps.append(Gap(line, lower, Edge(rest)))
    while looks > 0 and (chosen := _largest(found, min(looks, _LOOKS_AT_ONCE), has_ids)):
        looks -= len(chosen)
        views = look([Look(gap.line, place) for gap, place in chosen])
        for (gap, _place), view in zip(chosen, views, strict=True):
            rows, gaps = gap.split(view, has_ids=has_ids)
            ours = found[gap.line]
            ours.gaps.remove(gap)
            ours.gaps += gaps
            ours.seen += rows
    return found


def _largest(found: Iterable[Survey], count: int, has_ids: bool) -> list[tuple[Gap, Place]]:
    """The gaps that seem to hold most rows, with the place to look at."""
    gaps = [
        (gap, place)
        for each in found
        for gap in each.gaps
        if gap.rows > EDGE_ROWS and (place := gap.middle(has_ids=has_ids)) is not None
    ]
    return sorted(gaps, key=lambda one: -one[0].rows)[:count]

"""Sections of a detail packed into columns, like bricks: each goes where the least stands above it.

A section keeps its column as long as the sections before it keep their number of lines, whatever figures are in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqmon.model.details import Line, Section

COLUMN_WIDTH: Final = 24
"""Characters of a column, at least."""
GAP: Final = 2


class Place(NamedTuple):
    """Where a line of a section stands, or its title (`line` None)."""

    x: int
    y: int
    width: int
    title: str
    line: Line | None
    label_width: int


def pack(sections: Sequence[Section], width: int) -> list[Place]:
    """The places of all titles and lines, from top to bottom within each section."""
    columns = max(1, (width + GAP) // (COLUMN_WIDTH + GAP))
    share = (width - GAP * (columns - 1)) // columns
    heights = [0] * columns
    places: list[Place] = []
    for section in sections:
        span = min(section.columns, columns) or columns
        column = _lowest(heights, span)
        x, y = column * (share + GAP), max(heights[column : column + span])
        room = width - x if column + span == columns else span * (share + GAP) - GAP
        heights[column : column + span] = [y + len(section.lines) + 1] * span
        labels = min(max((len(line.label) for line in section.lines), default=0), room // 2)
        places.append(Place(x, y, room, section.title, None, labels))
        places += [Place(x, y + 1 + number, room, "", line, labels) for number, line in enumerate(section.lines)]
    return places


def _lowest(heights: Sequence[int], span: int) -> int:
    """The first of `span` neighbouring columns above which least stands."""
    return min(range(len(heights) - span + 1), key=lambda column: (max(heights[column : column + span]), column))


def height_of(places: Sequence[Place]) -> int:
    return max((place.y for place in places), default=-1) + 1

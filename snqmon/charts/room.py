"""How the lines of a detail screen are shared out between its sections, charts, and table or text."""

from __future__ import annotations

from typing import Final, NamedTuple

CHART_WIDTH: Final = 56
"""Charts stand side by side when each has at least so many characters."""
LEAST_CHART: Final = 6
BEST_CHART: Final = 11
TALLEST_CHART: Final = 22
"""Where there is nothing below them."""
LEAST_SECTIONS: Final = 4
LEAST_TABLE: Final = 5
"""Lines, the heading among them."""


class Room(NamedTuple):
    sections: int
    """Lines; the rest of them is scrolled to."""
    charts: int
    """How many charts are in sight; the others come in turn when asked for."""
    across: int
    """How many of them stand side by side."""
    chart_height: int
    below: int
    """Lines of the table or the text."""

    @property
    def taken(self) -> int:
        """Lines in all."""
        return self.sections + -(-self.charts // self.across) * self.chart_height + self.below


def share(width: int, height: int, *, sections: int, charts: int, below: int) -> Room:
    """Of `height` lines, when the sections have `sections` lines, and the table or text `below` (0 = there is none).

    Each gets a little, then the sections and the table what they need up to half of the rest, then come more charts.

    >>> share(80, 19, sections=30, charts=5, below=8)
    Room(sections=6, charts=1, across=1, chart_height=7, below=6)
    >>> share(200, 55, sections=14, charts=5, below=20)
    Room(sections=14, charts=5, across=3, chart_height=11, below=19)
    >>> share(200, 55, sections=10, charts=3, below=0)
    Room(sections=10, charts=3, across=3, chart_height=22, below=0)
    """
    table = min(below, LEAST_TABLE)
    across = min(charts, max(1, width // CHART_WIDTH)) if charts else 1
    down = 1 if charts and height >= table + LEAST_CHART + LEAST_SECTIONS else 0
    first = min(sections, LEAST_SECTIONS)
    left = height - table - first - down * LEAST_CHART
    if left < 0:
        return Room(max(0, height - table), 0, 1, 0, min(table, height))
    more = min(sections - first, left if not below and not charts else (left + 1) // 2)
    first, left = first + more, left - more
    if down:
        rows = -(-charts // across)
        extra = min(rows - 1, max(0, left - (below - table) // 2) // LEAST_CHART)
        down, left = down + extra, left - extra * LEAST_CHART
    more = min(below - table, (left + 1) // 2)
    table, left = table + more, left - more
    chart_height = LEAST_CHART + (min(BEST_CHART - LEAST_CHART, left // down) if down else 0)
    left -= (chart_height - LEAST_CHART) * down
    more = min(sections - first, left)
    first, left = first + more, left - more
    if below:
        table += left
    elif down:
        chart_height += min(TALLEST_CHART - chart_height, left // down)  # what is left then is blank, below them
    else:
        first += left
    return Room(first, min(charts, across * down), across, chart_height if down else 0, table)

"""Sparklines: one row of characters, one for each step of a fixed axis of time.

Our own and not the package `sparklines`: here a gap is a blank and zero is not, a line that is flat at zero lies at the
bottom, and there is an alphabet for terminals that have ASCII only. That package draws every flat line at half height,
and has block characters only.
"""

from __future__ import annotations

from itertools import pairwise
from math import isnan, nan
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"
"""For terminals that have no more than ASCII: the signs get darker."""
GAP = " "


def sparkline(
    values: Sequence[float], width: int | None = None, *, top: float | None = None, signs: str = BLOCKS
) -> str:
    """The line through `values`, oldest first; NaN = nothing is known of that step.

    `top` is the value at full height; without it the highest one is. A value above `top` is drawn at full height. With
    `width`, each character is the highest of the values that fall on it, and missing ones are at the left.

    >>> sparkline([0, 1, 2, float("nan"), 7])
    '▁▂▃ █'
    >>> sparkline([0, 0, 0]), sparkline([5, 5], top=10), sparkline([0, 4, 8], signs=PLAIN)
    ('▁▁▁', '▅▅', '_+@')
    >>> sparkline([1, 2, 3, 4], 2), sparkline([1], 3)
    ('▅█', '  █')
    """
    if width is not None:
        values = resampled(values, width)
    known = [value for value in values if not isnan(value)]
    highest = top if top is not None else max(known, default=0.0)
    return "".join(GAP if isnan(value) else signs[_level(value, highest, len(signs))] for value in values)


LEAST_TOPS: Final = {"ready": 7.0, "lag": 7.0, "in": 1.0, "out": 1.0, "failed": 1.0}
"""What full height means at least, so that one item that waits does not look like a queue that is full: up to seven
items or seconds each step of the blocks is one; rates begin at one a second."""


def trend_line(values: Sequence[float], figure: str, width: int, signs: str = BLOCKS) -> str:
    """The last minute of a figure in a table.

    >>> trend_line([0, 1, 0], "ready", 3), trend_line([0, 3, 40], "ready", 3)
    ('▁▂▁', '▁▂█')
    """
    values = resampled(values, width)
    highest = max((value for value in values if not isnan(value)), default=0.0)
    return sparkline(values, top=max(highest, LEAST_TOPS.get(figure, 0.0)), signs=signs)


def _level(value: float, highest: float, levels: int) -> int:
    """Zero alone is at the bottom: however little there is, it is seen."""
    if value <= 0 or highest <= 0:
        return 0
    return min(levels - 1, max(1, round(value / highest * (levels - 1))))


def resampled(values: Sequence[float], width: int) -> list[float]:
    """As many values as there are places, the newest at the right.

    >>> resampled([1, 5, 2, 3], 2), resampled([1], 2)
    ([5, 3], [nan, 1])
    """
    have = len(values)
    if have <= width:
        return [nan] * (width - have) + list(values)
    edges = [place * have // width for place in range(width + 1)]
    return [_highest(values[begin:end]) for begin, end in pairwise(edges)]


def _highest(values: Sequence[float]) -> float:
    return max((value for value in values if not isnan(value)), default=nan)

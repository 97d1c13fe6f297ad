"""A canvas of dots, several to a character: braille (2 by 4), or plain characters (1 by 1) for terminals without it.

Lines differ by their dashes as well as by their colour: told apart in print, on a monochrome terminal, and by everyone.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Style(NamedTuple):
    """How the line of one series is drawn, and shown in the legend."""

    on: int
    """Dots in a row that are drawn."""
    off: int
    """Dots in a row that are left out."""
    sample: str
    """As the legend shows it."""
    plain: str
    """The character that draws it where there are no dots, and its sample there."""


STYLES: Final = (Style(1, 0, "━━", "*"), Style(3, 2, "╍╍", "+"), Style(1, 2, "┈┈", "."))
"""By the place of a series in its chart. A chart has three series at most: more cannot be told apart."""

_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot, by column and row within a character."""
EMPTY: Final = -1
"""No series has drawn here."""


class Canvas:
    """`width` by `height` characters. Each belongs to the last series that drew in it."""

    def __init__(self, width: int, height: int, *, is_ascii: bool) -> None:
        self.width, self.height, self.is_ascii = width, height, is_ascii
        across, down = (1, 1) if is_ascii else (2, 4)
        self._across, self._down = across, down
        self.columns, self.rows = width * across, height * down
        """The size in dots."""
        self._bits = [bytearray(width) for _ in range(height)]
        self._owners = [[EMPTY] * width for _ in range(height)]

    def line(self, values: Sequence[float], top: float, series: int) -> None:
        """Draw values (0 to `top`; NaN = a gap) over the whole width, each in the middle of its share of it."""
        style = STYLES[series]
        dash = 0
        before: tuple[int, int] | None = None
        for place in self._places(values, top):
            if place is None:
                before = None
                continue
            for column, row in _between(before, place):
                if self.is_ascii or dash % (style.on + style.off) < style.on:
                    self._dot(column, row, series)
                dash += 1
            before = place

    def runs(self, row: int) -> Iterator[tuple[str, int]]:
        """One line of characters, in pieces that belong to one series each (`EMPTY`: spaces)."""
        owners = self._owners[row]
        begin = 0
        for column in range(1, self.width + 1):
            if column == self.width or owners[column] != owners[begin]:
                yield self._text(row, begin, column), owners[begin]
                begin = column

    def row_of(self, value: float, top: float) -> int:
        """The line of characters in which a value lies."""
        return self._row(value, top) // self._down

    def _text(self, row: int, begin: int, end: int) -> str:
        owner = self._owners[row][begin]
        if owner == EMPTY:
            return " " * (end - begin)
        if self.is_ascii:
            return STYLES[owner].plain * (end - begin)
        return "".join(chr(_BRAILLE + bits) for bits in self._bits[row][begin:end])

    def _places(self, values: Sequence[float], top: float) -> Iterator[tuple[int, int] | None]:
        count = len(values)
        for number, value in enumerate(values):
            if isnan(value):
                yield None
            else:
                yield (2 * number + 1) * self.columns // (2 * count), self._row(value, top)

    def _row(self, value: float, top: float) -> int:
        share = min(max(value / top, 0.0), 1.0)
        return round((1 - share) * (self.rows - 1))

    def _dot(self, column: int, row: int, series: int) -> None:
        place, line = column // self._across, row // self._down
        if not self.is_ascii:
            self._bits[line][place] |= _DOTS[column % 2][row % 4]
        self._owners[line][place] = series


def _between(before: tuple[int, int] | None, place: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The dots of a straight line from one place to the next, without the first; of a single place, that."""
    if before is None:
        yield place
        return
    (x0, y0), (x1, y1) = before, place
    steps = max(abs(x1 - x0), abs(y1 - y0))
    for step in range(1, steps + 1):
        yield x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)

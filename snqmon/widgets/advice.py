"""`Advice`: words in the place of a picture that cannot be shown: nothing has come yet, the terminal is too small."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from snqmon.widgets.painting import Lines, Piece, cells

if TYPE_CHECKING:
    from collections.abc import Sequence


class Advice(Lines):
    """A block of lines in the middle, all beginning at one edge. The first line is the one to read."""

    DEFAULT_CSS = "Advice { height: 1fr; display: none; }"

    def show(self, lines: Sequence[str]) -> None:
        width, height = self.size
        folded = [part for line in lines for part in _folded(line, max(8, width - 4))]
        left = " " * max(0, (width - max(map(cells, folded), default=0)) // 2)
        above = max(0, (height - len(folded)) // 3)
        pieces = [[Piece(left), Piece(line, "bold" if number == 0 else "")] for number, line in enumerate(folded)]
        self.paint(*([[]] * above), *pieces)


def _folded(line: str, width: int) -> list[str]:
    """A line as one or more, broken at blanks; what is indented stays so.

    >>> _folded("  listening for pushed datagrams", 18)
    ['  listening for', '  pushed datagrams']
    """
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(line, width, initial_indent="", subsequent_indent=indent) or [""]

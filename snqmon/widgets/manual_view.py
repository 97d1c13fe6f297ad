"""`ManualView`: headings, sentences, and names with what they mean, to scroll through."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final, NamedTuple

from textual.geometry import Size
from textual.scroll_view import ScrollView

from snqmon.widgets.painting import Painted, Piece, cells, strip
from snqmon.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

_GAP: Final = 2
_MOST_NAME: Final = 0.4
"""Of the width."""


class Entry(NamedTuple):
    name: str
    words: str


class Part(NamedTuple):
    heading: str
    """Empty = there is none."""
    entries: Sequence[Entry] = ()
    words: str = ""
    """Before the entries."""


class ManualView(ScrollView, Painted, can_focus=True, inherit_bindings=False):
    DEFAULT_CSS = (
        "ManualView { height: auto; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }"
    )

    def __init__(self) -> None:
        super().__init__()
        self._parts: Sequence[Part] = ()
        self._palette = Palette(self)
        self._lines: list[list[Piece]] = []
        self._heights: dict[int, int] = {}

    def show(self, parts: Sequence[Part]) -> None:
        """Show these from now on, from the top."""
        self._parts = parts
        self._heights.clear()
        self._fold()
        self.scroll_to(y=0, animate=False, force=True)
        self.refresh(layout=True)

    @property
    def page(self) -> int:
        """Lines in sight."""
        return max(1, self.size.height - 1)

    def move_by(self, lines: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        if width not in self._heights:
            self._heights[width] = len(folded(self._parts, width))
        return self._heights[width]

    def on_resize(self) -> None:
        self._fold()

    def _fold(self) -> None:
        width = self.scrollable_content_region.width
        self._lines = folded(self._parts, width)
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        pieces = self._lines[number] if number < len(self._lines) else ()
        return strip(pieces, self.size.width, self._palette)

    def notify_style_update(self) -> None:
        self._palette.forget()
        super().notify_style_update()


def folded(parts: Sequence[Part], width: int) -> list[list[Piece]]:
    """Lines of at most so many cells; what an entry means stands in one column.

    >>> lines = folded([Part("Keys", [Entry("Enter", "Open the row under it.")])], 20)
    >>> ["".join(piece.text for piece in line) for line in lines]
    ['Keys', 'Enter  Open the row', '       under it.']
    """
    lines: list[list[Piece]] = []
    for part in parts:
        if lines:
            lines.append([])
        if part.heading:
            lines.append([Piece(part.heading, "mark")])
        lines += [[Piece(line)] for line in wrap(part.words, max(8, width))]
        column = min(max((cells(entry.name) for entry in part.entries), default=0), int(width * _MOST_NAME)) + _GAP
        for entry in part.entries:
            words = wrap(entry.words, max(8, width - column)) or [""]
            if cells(entry.name) > column - _GAP:
                lines.append([Piece(entry.name, "bold")])
            else:
                lines.append([Piece(entry.name + " " * (column - cells(entry.name)), "bold"), Piece(words.pop(0))])
            lines += [[Piece(" " * column), Piece(line)] for line in words]
    return lines

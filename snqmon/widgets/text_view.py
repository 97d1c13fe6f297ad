"""`TextView`: lines of text to scroll through, such as a traceback: only those in sight are painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.scroll_view import ScrollView

from snqmon.widgets.painting import Painted, Piece, cells, strip
from snqmon.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.strip import Strip


class TextView(ScrollView, Painted, can_focus=True, inherit_bindings=False):
    """Lines that are too long go on in the next one, indented, so that nothing is cut."""

    DEFAULT_CSS = """
    TextView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._palette = Palette(self)
        self._source: list[Piece] = []
        self._lines: list[Piece] = []

    def begin(self) -> None:
        """What is shown next is about another thing: from the top."""
        self.move_to(0)

    def show(self, lines: Iterable[Piece]) -> None:
        """Show these from now on; where one has scrolled to stays."""
        wanted = list(lines)
        if wanted != self._source:
            self._source = wanted
            self._fold()

    @property
    def text(self) -> str:
        """All of it, as it was given."""
        return "\n".join(piece.text for piece in self._source)

    @property
    def page(self) -> int:
        """Lines in sight."""
        return max(1, self.size.height - 1)

    def move_by(self, lines: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True)

    def move_to(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, force=True)

    def on_resize(self) -> None:
        self._fold()

    def notify_style_update(self) -> None:
        self._palette.forget()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        return strip((Piece(" "), *self._lines[number : number + 1]), self.size.width, self._palette)

    def _fold(self) -> None:
        width = max(8, self.size.width - 2)
        self._lines = [Piece(text, piece.meaning) for piece in self._source for text in folded(piece.text, width)]
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()


def folded(text: str, width: int) -> list[str]:
    """One line as several of at most `width` cells; what follows is indented two deeper than it began.

    >>> folded("  File x.py in handle", 14)
    ['  File x.py in', '     handle']
    """
    text = text.expandtabs(4)
    if cells(text) <= width:
        return [text]
    indent = " " * min(len(text) - len(text.lstrip()) + 2, width // 2)
    found, rest = [], text
    while cells(rest) > width:
        cut = _cut(rest, width)
        found.append(rest[:cut].rstrip())
        rest = indent + rest[cut:]
    return [*found, rest]


def _cut(text: str, width: int) -> int:
    """How many characters fit, up to a blank when one is near."""
    fits = next(number for number in range(min(len(text), width), 0, -1) if cells(text[:number]) <= width)
    blank = text.rfind(" ", 0, fits + 1)
    begin = len(text) - len(text.lstrip())
    return blank if blank > max(begin, fits - 20) else fits

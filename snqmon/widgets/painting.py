"""Lines of text in meanings: what all widgets of the monitor are drawn with.

A widget that is drawn four times a second is given its lines as pieces, each with its meaning (`look`, `act`, `dim` …);
only lines that differ from what stands there are painted, so that a quiet screen sends nothing to the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from snqmon.model.cells import Grade
from snqmon.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual import events

PLAIN: Final = ""
"""No meaning: the colours of the widget itself."""
OF_GRADE: Final = {Grade.DIM: "dim", Grade.GOOD: PLAIN, Grade.LOOK: "look", Grade.ACT: "act"}
"""Good figures are plain: a table of green figures would say nothing."""


class Piece(NamedTuple):
    text: str
    meaning: str = PLAIN
    action: str = ""
    """What a click on it asks for; empty = nothing."""


def width_of(pieces: Iterable[Piece]) -> int:
    """In cells of the terminal."""
    return sum(cells(piece.text) for piece in pieces)


def cells(text: str) -> int:
    """How many cells of the terminal a text takes: wide characters take two."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, *, is_right: bool = False, more: str = "…") -> str:
    """The text in exactly `width` cells; `more` ends what is too long.

    >>> fit("mail", 6), fit("mail", 6, is_right=True), fit("notifications", 6)
    ('mail  ', '  mail', 'notif…')
    """
    taken = cells(text)
    if taken <= width:
        room = " " * (width - taken)
        return room + text if is_right else text + room
    if width <= len(more):
        return set_cell_size(text, max(0, width))
    return set_cell_size(text, width - len(more)) + more


class _NothingKept:
    """In the place of a strip's memory of how it was divided. A strip that is not divided remembers itself, so that it
    is a cycle: a thousand objects in each second that only the garbage collector would find."""

    def get(self, _key: object) -> None:
        return None

    def __setitem__(self, _key: object, _value: object) -> None:
        pass


_NOTHING_KEPT: Final = _NothingKept()


class Painted(Widget):
    """Base of what is drawn often: what is drawn over leaves no garbage. The last base: Textual styles by the first."""

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = super().render_lines(crop)
        for strip in strips:
            strip._divide_cache = _NOTHING_KEPT  # type: ignore[assignment]
        return strips


class Lines(Painted):
    """A few lines of pieces. A click on a piece with an action runs it."""

    DEFAULT_CSS = "Lines { height: 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._lines: list[tuple[Piece, ...]] = []
        self._palette = Palette(self)

    @property
    def lines(self) -> Sequence[tuple[Piece, ...]]:
        """What stands there."""
        return self._lines

    def paint(self, *lines: Iterable[Piece]) -> None:
        """Draw these lines; those that stand there already are not touched."""
        wanted = [tuple(line) for line in lines]
        before, self._lines = self._lines, wanted
        width = self.size.width
        height = max(len(before), len(wanted))
        if regions := [Region(0, y, width, 1) for y in range(height) if before[y : y + 1] != wanted[y : y + 1]]:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        self._palette.forget()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        pieces = self._lines[y] if y < len(self._lines) else ()
        return strip(pieces, self.size.width, self._palette)

    def on_click(self, event: events.Click) -> Any:
        action = action_at(self._lines[event.y] if event.y < len(self._lines) else (), event.x)
        if action:
            event.stop()
            return self.app.run_action(action)
        return None


def strip(pieces: Iterable[Piece], width: int, palette: Palette) -> Strip:
    """A line of exactly `width` cells."""
    segments = [Segment(piece.text, palette.style(piece.meaning)) for piece in pieces if piece.text]
    return Strip(segments).adjust_cell_length(width, palette.style())


def action_at(pieces: Iterable[Piece], x: int) -> str:
    """The action of the piece at this cell of the line."""
    for piece in pieces:
        x -= cells(piece.text)
        if x < 0:
            return piece.action
    return ""


def spread(left: Sequence[Piece], right: Sequence[Piece], width: int) -> list[Piece]:
    """Left at the left edge, right at the right one. Where there is no room for both, the right one gives way."""
    room = width - width_of(left) - width_of(right)
    return [*left, Piece(" " * room), *right] if room >= 1 else list(left)

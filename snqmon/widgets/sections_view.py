"""`SectionsView`: the sections of a detail. Lines that lead elsewhere can be walked along, and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView

from snqmon.charts.blocks import Place, height_of, pack
from snqmon.model.cells import PLAIN_SIGNS, SIGNS
from snqmon.widgets.painting import OF_GRADE, Painted, Piece, cells, fit, strip, width_of
from snqmon.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from snqmon.model.columns import Key
    from snqmon.model.details import Line, Section

MARGIN: Final = 1


class SectionsView(ScrollView, Painted, can_focus=True, inherit_bindings=False):
    DEFAULT_CSS = """
    SectionsView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Followed(Message):
        """A line was chosen that leads to another row."""

        def __init__(self, table: str, key: Key) -> None:
            super().__init__()
            self.table, self.key = table, key

    def __init__(self, *, is_ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.is_dimmed = False
        """What is shown is not current. To be set before `show`."""
        self._signs = PLAIN_SIGNS if is_ascii else SIGNS
        self._more, self._rule, self._mark = ("~", "-", ">") if is_ascii else ("…", "─", "▸")
        self._palette = Palette(self)
        self._sections: Sequence[Section] = ()
        self._places: list[Place] = []
        self._lines: list[list[Piece]] = []
        self._cursor: Line | None = None

    # What it is shown

    def begin(self) -> None:
        """What is shown next is about another thing: from the top, on no line."""
        self._cursor = None
        self.move_to(0)

    def show(self, sections: Sequence[Section]) -> None:
        """Show these from now on; where one has scrolled to, and the line one is on, stay."""
        self._sections = sections
        self._lay_out()

    @property
    def content_height(self) -> int:
        """Lines that it takes to see all of it at this width."""
        return height_of(self._places)

    @property
    def text(self) -> str:
        """All of it, a line each."""
        lines = []
        for section in self._sections:
            lines += [section.title, *(f"  {line.label}  {line.cell.text}" for line in section.lines), ""]
        return "\n".join(lines).rstrip()

    @property
    def has_links(self) -> bool:
        return any(line.row is not None for section in self._sections for line in section.lines)

    @property
    def link(self) -> Line | None:
        """The line that one is on, if it leads elsewhere."""
        return self._cursor if self._cursor is not None and self._cursor.row is not None else None

    # Moving about

    @property
    def page(self) -> int:
        return max(1, self.size.height - 1)

    def move_by(self, lines: int) -> None:
        """Along the lines that lead elsewhere; where there is none in this direction, scroll."""
        links = [place for place in self._places if place.line is not None and place.line.row is not None]
        now = next((number for number, place in enumerate(links) if _is_same(place.line, self._cursor)), None)
        wanted = (0 if lines > 0 else len(links) - 1) if now is None else now + (1 if lines > 0 else -1)
        if abs(lines) > 1 or not 0 <= wanted < len(links):
            self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True)
            return
        place = links[wanted]
        self._cursor = place.line
        self._lay_out()
        self.scroll_to_region(Region(0, place.y, 1, 1), animate=False, force=True)

    def move_to(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, force=True)

    def follow(self) -> bool:
        """Open what the line leads to that one is on, or the first that leads anywhere; whether there is one."""
        line = self.link
        if line is None:
            places = (place.line for place in self._places)
            line = next((each for each in places if each is not None and each.row is not None), None)
        return self._follow(line)

    def _follow(self, line: Line | None) -> bool:
        if line is None or line.row is None:
            return False
        self.post_message(self.Followed(*line.row))
        return True

    # Drawing

    def _lay_out(self) -> None:
        width = max(8, self.size.width - 2 * MARGIN)
        self._places = pack(self._sections, width)
        lines: list[list[Piece]] = [[Piece(" " * MARGIN)] for _ in range(height_of(self._places))]
        for place in sorted(self._places, key=lambda each: each.x):
            line = lines[place.y]
            line.append(Piece(" " * (MARGIN + place.x - width_of(line))))
            line += self._title(place) if place.line is None else self._fact(place, place.line)
        before, self._lines = self._lines, lines
        size = Size(self.size.width, len(lines))
        if size != self.virtual_size:
            self.virtual_size = size
        if len(before) != len(lines):
            self.refresh()
            return
        top = self.scroll_offset.y
        for y in range(top, min(len(lines), top + self.size.height)):
            if lines[y] != before[y]:
                self.refresh(Region(0, y - top, self.size.width, 1))

    def _title(self, place: Place) -> list[Piece]:
        title = fit(f"{place.title} ", min(len(place.title) + 1, place.width), more=self._more)
        return [Piece(title, "bold"), Piece(self._rule * (place.width - len(title)), "rule")]

    def _fact(self, place: Place, line: Line) -> list[Piece]:
        is_here = _is_same(line, self._cursor) and self.has_focus
        mark = self._mark if is_here else " "
        label = fit(line.label, place.label_width, more=self._more)
        room = max(1, place.width - place.label_width - 3)
        value = fit(self._signs.get(line.cell.grade, "") + line.cell.text, room, more=self._more)
        meaning = "dim" if self.is_dimmed else OF_GRADE[line.cell.grade]
        if is_here:
            return [Piece(f"{mark}{label}  {value}", "cursor")]
        text = value.rstrip()  # what a meaning underlines is the figure, not the room behind it
        rest = Piece(" " * (room - cells(text)))
        return [Piece(mark, "mark"), Piece(f"{label}  ", "dim"), Piece(text, meaning), rest]

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        pieces = self._lines[number] if number < len(self._lines) else ()
        return strip(pieces, self.size.width, self._palette)

    # What happens to it

    def line_at(self, x: int, y: int) -> Line | None:
        """The line of a section at a cell of the widget."""
        x, y = x - MARGIN, y + self.scroll_offset.y
        for place in self._places:
            if place.y == y and place.x <= x < place.x + place.width:
                return place.line
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        line = self.line_at(event.x, event.y)
        words = (line.definition or None) if line is not None else None
        if self.tooltip != words:
            self.tooltip = words

    def on_click(self, event: events.Click) -> None:
        event.stop()
        line = self.line_at(event.x, event.y)
        if line is not None and line.row is not None:
            self._cursor = line
            self._lay_out()
            if event.chain == 2:
                self._follow(line)

    def on_resize(self) -> None:
        self._lay_out()

    def on_focus(self) -> None:
        self._lay_out()

    def on_blur(self) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        self._palette.forget()
        super().notify_style_update()


def _is_same(line: Line | None, other: Line | None) -> bool:
    """Whether two lines are one line at two moments: its figures may have changed."""
    return line is not None and other is not None and (line.label, line.row) == (other.label, other.row)

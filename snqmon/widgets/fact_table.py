"""`FactTable`: rows and columns of facts. Only lines in sight are formatted, and only those that changed are drawn.

What is shown and where the cursor is decides its `TableView`. Until somebody has moved the cursor it rests at the top
(of a tail: at the end), so that what is worst stays in sight however rows change places.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from snqmon.model.cells import PLAIN_SIGNS, SIGNS, Cell, Grade
from snqmon.model.columns import Column, Key, Row, shown
from snqmon.widgets.painting import OF_GRADE, Painted, cells, fit
from snqmon.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual import events

    from snqmon.model.table_view import TableView

R = TypeVar("R", bound=Row)

GUTTER: Final = 1
"""Cells before the first column: the mark of the cursor's line stands there."""
GAP: Final = 1
_MOST_FLEXIBLE: Final = 0.45
"""Of the width: in a narrow terminal a sentence does not drive out everything else."""
FLASH_TICKS: Final = 4
"""So long a cell is lit whose grade has changed."""


_OF_COLUMN: Final = {"trend": "trend"}
"""Columns with a meaning of their own: what is drawn with blocks would outshine every figure."""


class _Line(NamedTuple):
    """A row as it stands on the screen."""

    key: Key
    cells: tuple[Cell, ...]
    is_gone: bool
    lit: frozenset[int]
    """Places of cells whose grade has just changed."""


class FactTable(ScrollView, Painted, Generic[R], can_focus=True, inherit_bindings=False):
    DEFAULT_CSS = """
    FactTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """

    class Opened(Message):
        """A row was chosen, with Enter or a double click."""

        def __init__(self, table: FactTable[Any], row: Row) -> None:
            super().__init__()
            self.table, self.row = table, row

    class HeadingClicked(Message):
        def __init__(self, table: FactTable[Any], column: str) -> None:
            super().__init__()
            self.table, self.column = table, column

    class RowClicked(Message):
        def __init__(self, table: FactTable[Any], place: int, *, is_double: bool) -> None:
            super().__init__()
            self.table, self.place, self.is_double = table, place, is_double

    class Moved(Message):
        """The cursor is on another row: other keys may work there."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FactTable.Moved)

    def __init__(
        self,
        view: TableView[R],
        *,
        is_tail: bool = False,
        is_ascii: bool = False,
        flexible: int = 16,
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        """`is_tail`: the newest rows are the last ones, and the table stays at its end until somebody scrolls up.
        `flexible`: so wide a column wants to be that takes what is left, before others go for it."""
        super().__init__(id=id, classes=classes)
        self.view = view
        self.is_tail = is_tail
        self._flexible = flexible
        self.is_at_rest = True
        """Nobody has moved the cursor: it is at the top, or at the end of a tail."""
        self.is_dimmed = False
        """What is shown is not current: every figure is drawn as such. To be set before `show`."""
        self._signs = PLAIN_SIGNS if is_ascii else SIGNS
        self._more = "~" if is_ascii else "…"
        self._rule = "-" if is_ascii else "─"
        self._arrows = ("^", "v") if is_ascii else ("▲", "▼")
        self._mark = ">" if is_ascii else "▸"
        self._palette = Palette(self)
        self._columns: list[Column[R]] = []
        self._widths: list[int] = []
        self._lines: dict[int, _Line] = {}
        self._lit: dict[tuple[Key, str], int] = {}
        self._tick = 0
        self._drawn: tuple[object, ...] = ()

    # What it is shown

    def begin(self, view: TableView[R]) -> None:
        """It is another table from now on, to be seen from its top (of a tail: its end) at the next `show`."""
        self.view = view
        self.is_at_rest = True
        self._drawn = ()
        self._lines.clear()
        self._lit.clear()

    def show(self, rows: Iterable[R], now: float, *, is_fleet: bool = False) -> None:
        """Draw what the view makes of these rows. `now` is the view's clock; `is_fleet`: there are several daemons."""
        view = self.view
        self._tick += 1
        before = view.cursor_index
        was_in_sight = self._is_in_sight(before)
        if self.is_at_rest:
            view.cursor, view.cursor_index = None, 1 << 60 if self.is_tail else 0
        view.refresh(rows, now)
        self._draw_anew_if_changed(is_fleet=is_fleet)
        self._fit_scrollbar()
        if self.is_at_rest or was_in_sight:
            self._show_cursor()
        moved = {before, view.cursor_index} if before != view.cursor_index else set()
        self._refresh_rows(moved | self._reformat())

    @property
    def columns(self) -> Sequence[Column[R]]:
        """Those that are shown at this width."""
        return self._columns

    @property
    def row(self) -> R | None:
        """The one that the cursor is on."""
        return self.view.row

    # Moving about

    def move_to(self, place: int, now: float) -> None:
        """Put the cursor on the row at this place, and into sight. On the first row (of a tail: the last) it rests."""
        view = self.view
        before = view.cursor_index
        view.select(place, now)
        self.is_at_rest = view.cursor_index == (len(view.rows) - 1 if self.is_tail else 0)
        if self.is_at_rest:
            view.release()
        self._show_cursor()
        if before != view.cursor_index:
            self._refresh_rows({before, view.cursor_index})
            self.post_message(self.Moved())

    def move_by(self, lines: int, now: float) -> None:
        self.move_to(self.view.cursor_index + lines, now)

    def move_to_key(self, key: Key) -> bool:
        """Now, or as soon as there is such a row; whether there is."""
        self.is_at_rest = False
        is_there = self.view.select_key(key)
        self._show_cursor()
        self.refresh()
        return is_there

    @property
    def room(self) -> int:
        """Cells of a line, without the scrollbar."""
        return self.scrollable_content_region.width

    @property
    def page(self) -> int:
        """How many rows are in sight at once."""
        return max(1, self.size.height - 1)

    def open(self) -> None:
        """Say that the cursor's row was chosen."""
        if (row := self.row) is not None:
            self.post_message(self.Opened(self, row))

    def _is_in_sight(self, place: int) -> bool:
        return self.scroll_offset.y <= place < self.scroll_offset.y + self.page

    def _show_cursor(self) -> None:
        top, page, cursor = self.scroll_offset.y, self.page, self.view.cursor_index
        if cursor < top:
            self.scroll_to(y=cursor, animate=False, force=True)
        elif cursor >= top + page:
            self.scroll_to(y=cursor - page + 1, animate=False, force=True)

    def _fit_scrollbar(self) -> None:
        """To the number of rows. Nothing else depends on it, but Textual lays the whole screen out anew when a virtual
        size is set: at each tick, under a list that grows.
        """
        size = Size(self.room, len(self.view.rows) + 1)
        if size != self.virtual_size:
            self.set_reactive(FactTable.virtual_size, size)
            self._scroll_update(size)

    # Drawing

    def _draw_anew_if_changed(self, *, is_fleet: bool) -> None:
        """Whatever concerns every line: which columns there are, the order, the words in the place of rows."""
        view = self.view
        drawn = (is_fleet, view.is_wide, view.sort, view.is_descending, self.is_dimmed, view.empty_words)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._arrange()

    def _arrange(self) -> None:
        """Which columns fit, and how wide the flexible ones are."""
        is_fleet = bool(self._drawn and self._drawn[0])
        width = max(1, self.room - GUTTER)
        columns = self.view.table.columns
        flexible = min(self._flexible, max(16, int(width * _MOST_FLEXIBLE)))
        self._columns = shown(columns, width, is_wide=self.view.is_wide, is_fleet=is_fleet, gap=GAP, flexible=flexible)
        fixed = sum(column.width + GAP for column in self._columns) - GAP
        sharing = sum(not column.width for column in self._columns)
        share, rest = divmod(max(sharing, width - fixed), max(1, sharing))
        self._widths = []
        for column in self._columns:
            self._widths.append(column.width or share + rest)
            rest = rest if column.width else 0  # the first flexible one takes what cannot be shared
        self._lines.clear()
        self.refresh()

    def _reformat(self) -> set[int]:
        """Format what is in sight; the places of the lines that differ."""
        before, top = self._lines, self.scroll_offset.y
        of_key = {line.key: line for line in before.values()}
        self._lit = {place: until for place, until in self._lit.items() if until > self._tick}
        in_sight = range(top, min(top + self.page, len(self.view.rows)))
        self._lines = lines = {place: self._format(place, of_key) for place in in_sight}
        return {place for place in before.keys() | lines.keys() if before.get(place) != lines.get(place)}

    def _format(self, place: int, of_key: dict[Key, _Line]) -> _Line:
        row = self.view.rows[place]
        key = row.key
        found = tuple(column.cell(row) for column in self._columns)
        before = of_key.get(key)
        lit = frozenset[int]()
        if before is not None and not self.is_dimmed:
            for number, (was, cell) in enumerate(zip(before.cells, found, strict=False)):
                if was.grade != cell.grade and Grade.DIM not in {was.grade, cell.grade}:
                    self._lit[key, self._columns[number].key] = self._tick + FLASH_TICKS
        if self._lit:
            lit = frozenset(number for number, column in enumerate(self._columns) if (key, column.key) in self._lit)
        return _Line(key, found, bool(getattr(row, "is_gone", False)), lit)

    def _refresh_rows(self, places: Iterable[int]) -> None:
        """In one go: Textual does as much for the first as for all."""
        room, height = self.room, self.size.height
        lines = (place - self.scroll_offset.y + 1 for place in places)
        if regions := [Region(0, y, room, 1) for y in lines if 1 <= y < height]:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._headings()
        place = self.scroll_offset.y + y - 1
        if place >= len(self.view.rows):
            return self._words(y)
        line = self._lines.get(place)
        if line is None:  # scrolled into sight since the last tick
            line = self._lines[place] = self._format(place, {})
        return self._strip(line, is_cursor=place == self.view.cursor_index)

    def _words(self, y: int) -> Strip:
        """What stands in the place of rows."""
        width = self.room
        lines = wrap(self.view.empty_words, max(8, width - 4))
        text = f"  {lines[y - 2]}" if 0 <= y - 2 < len(lines) else ""
        return Strip([Segment(fit(text, width), self._palette.style("dim"))], width)

    def _headings(self) -> Strip:
        palette = self._palette
        rule = palette.style("rule")
        segments = [Segment(self._rule * GUTTER, rule)]
        for number, (column, width) in enumerate(zip(self._columns, self._widths, strict=True)):
            text = column.heading
            is_sorted = column.key == self.view.sort
            if is_sorted:
                text = (
                    f"{fit(text, min(cells(text), width - 1), more=self._more)}{self._arrows[self.view.is_descending]}"
                )
            else:
                text = fit(text, min(cells(text), width), more=self._more)
            filling = Segment(self._rule * (width - cells(text)), rule)
            is_marked = is_sorted and self.has_focus
            heading = Segment(text, palette.style("mark" if is_marked else "dim", "bold" if is_sorted else ""))
            segments += [filling, heading] if column.is_right else [heading, filling]
            if number < len(self._widths) - 1:
                segments.append(Segment(self._rule * GAP, rule))
        return Strip([segment for segment in segments if segment.text]).adjust_cell_length(self.room, rule)

    def _strip(self, line: _Line, *, is_cursor: bool) -> Strip:
        # Neighbours of one style become one segment: the terminal is sent one sequence for them. What is between texts
        # has no style of theirs, which may be an underline.
        place = ("cursor" if self.has_focus else "blurred") if is_cursor else ""
        blank = (place, "", "")
        mark = self._mark if is_cursor and self.has_focus else " " * GUTTER
        runs: list[tuple[tuple[str, ...], list[str]]] = [((place, "mark" if is_cursor else "", ""), [mark])]

        def add(style: tuple[str, ...], text: str) -> None:
            if text and runs[-1][0] == style:
                runs[-1][1].append(text)
            elif text:
                runs.append((style, [text]))

        last = len(self._columns) - 1
        for number, (column, width) in enumerate(zip(self._columns, self._widths, strict=True)):
            text, meaning = self._told(line, number)
            room = width - cells(text)
            if room < 0:
                text, room = fit(text, width, more=self._more), 0
            lit = "flash" if number in line.lit and not is_cursor else ""
            add(blank, " " * room if column.is_right else "")
            add((place, meaning, lit), text)
            add(blank, ("" if column.is_right else " " * room) + (" " * GAP if number < last else ""))
        segments = [Segment("".join(texts), self._palette.style(*style)) for style, texts in runs]
        return Strip(segments).adjust_cell_length(self.room, self._palette.style(place))

    def _told(self, line: _Line, number: int) -> tuple[str, str]:
        """The text of a cell with its sign, and its meaning."""
        column, cell = self._columns[number], line.cells[number]
        meaning = OF_GRADE[cell.grade] or _OF_COLUMN.get(column.key, "")
        sign = self._signs.get(cell.grade, "")
        if sign and not column.width and any(each.grade >= cell.grade for each in line.cells[:number]):
            # A sentence need not repeat what a cell before it says, least of all in a list full of warnings.
            sign, meaning = "", meaning if cell.grade is Grade.ACT else ""
        return sign + cell.text, "dim" if line.is_gone or self.is_dimmed else meaning

    # What happens to it

    def notify_style_update(self) -> None:
        self._palette.forget()
        super().notify_style_update()

    def on_resize(self) -> None:
        self._fit_scrollbar()
        self._arrange()
        self._show_cursor()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.y == 0:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.HeadingClicked(self, column.key))
            return
        place = self.scroll_offset.y + event.y - 1
        if place < len(self.view.rows):
            self.post_message(self.RowClicked(self, place, is_double=event.chain == 2))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        column = self._column_at(event.x) if event.y == 0 else None
        words = column.definition if column is not None else None
        if self.tooltip != words:
            self.tooltip = words

    def _column_at(self, x: int) -> Column[R] | None:
        left = GUTTER
        for column, width in zip(self._columns, self._widths, strict=True):
            if x < left + width + GAP:
                return column
            left += width + GAP
        return None

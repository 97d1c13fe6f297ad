"""`DetailScreen`: one thing of the fleet in detail: what is known of it, how it went, and what belongs to it.

It looks its subject up anew each tick. When that has vanished, the last picture stays, dimmed, and says since when.
Everything is on one screen; Tab goes from part to part, and the keys that move act on the part that has the focus.
Charts for which there is no room come in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from textual.containers import Grid

from snqmon.charts.drawing import Chart, Series
from snqmon.charts.room import Room, share
from snqmon.charts.scale import Unit
from snqmon.keys import Where
from snqmon.model import formats
from snqmon.model.course import Span
from snqmon.model.details import Section, detail_of
from snqmon.model.table_view import TableView
from snqmon.model.tables import SITES
from snqmon.screens.base import MonitorScreen
from snqmon.widgets.chart import ChartView
from snqmon.widgets.detail_head import DetailHead
from snqmon.widgets.fact_table import FactTable
from snqmon.widgets.painting import Lines, Piece
from snqmon.widgets.sections_view import SectionsView
from snqmon.widgets.text_view import TextView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from snqmon.keys import Key as Stroke
    from snqmon.model.columns import Row
    from snqmon.model.details import Chart as Course
    from snqmon.model.details import Detail

MOST_CHARTS: Final = 5
"""That a detail has."""
_UNITS: dict[Callable[..., str], Unit] = {
    formats.duration: Unit.SECONDS,
    formats.timing: Unit.SECONDS,
    formats.count: Unit.ITEMS,
    formats.rate: Unit.PER_SECOND,
    formats.size: Unit.BYTES,
    formats.cores: Unit.CORES,
    formats.share: Unit.SHARE,
}
"""What a figure is, by how it is written."""


class _Charts(Grid):
    BLANK = True


class DetailScreen(MonitorScreen):
    AUTO_FOCUS = ""
    IS_DETAIL = True
    DEFAULT_CSS = """
    DetailScreen {
        #charts { height: auto; grid-gutter: 0 2; padding: 0 1; }
        &.-gone #charts, &.-stale #charts { opacity: 60%; }
    }
    """

    row: Row
    """As it was last seen."""
    detail: Detail

    def __init__(self) -> None:
        super().__init__()
        self._first_chart = 0
        self._gone_at: float | None = None
        self._room: Room | None = None
        self._rest = 0

    def body(self) -> ComposeResult:
        """Whatever some kind of thing needs; what this one does not is not displayed."""
        is_ascii = self.monitor.is_ascii
        self._head = DetailHead(is_ascii=is_ascii, classes="body")
        self._sections = SectionsView(is_ascii=is_ascii, classes="body")
        self._charts = [ChartView(is_ascii=is_ascii) for _ in range(MOST_CHARTS)]
        self._grid = _Charts(*self._charts, id="charts", classes="body")
        self._parts: FactTable[Any] = FactTable(TableView(SITES), is_ascii=is_ascii, classes="body")
        self._text = TextView(classes="body")
        self._blank = Lines(classes="body")
        yield from (self._head, self._sections, self._grid, self._parts, self._text, self._blank)

    def begin(self, row: Row, detail: Detail) -> None:
        """It is about this from now on. To be called while it is not open."""
        self.row, self.detail = row, detail
        self.crumbs, self.title_words = (detail.title,), detail.title
        self.measures = _MEASURES.get(detail.kind, "") + _HOW
        self._first_chart, self._gone_at, self._room = 0, None, None
        self._sections.begin()
        self._text.begin()
        if detail.table is not None:
            self._parts.begin(TableView(detail.table))
        self._parts.display = detail.table is not None
        is_text_first = bool(detail.texts) and not detail.jumps
        first = self._parts if detail.table is not None else self._text if is_text_first else self._sections
        self.set_focus(first)

    # What the app asks

    @property
    def table(self) -> FactTable[Any] | None:
        return self._parts if self.detail.table is not None else None

    @property
    def subject(self) -> Row | None:
        """Keys act on what the detail is about, also while the cursor is on a row of its table."""
        return self.row

    @property
    def explained(self) -> Row | None:
        """The site of a queue that the cursor is on, rather than the whole queue, when somebody has gone there."""
        table = self.table
        return table.row if table is not None and table.has_focus and not table.is_at_rest else self.row

    def acted(self) -> None:
        """A dead letter is none any more, and the list that led here is another one."""
        if self.detail.kind == "dead":
            self.dismiss()
            if (front := self.monitor.front) is not None:
                front.acted()

    @property
    def places(self) -> frozenset[Where]:
        return super().places | {Where.TABLE}

    def notes(self) -> list[str]:
        said = []
        if self.gone_seconds is not None:
            said.append(f"{self.detail.title} is gone since {formats.duration(self.gone_seconds)}")
        if self.detail.charts:
            said.append(f"trends over {self.monitor.span.words}")
        return said

    @property
    def gone_seconds(self) -> float | None:
        """Since when it is not told of any more; None = it is there."""
        return None if self._gone_at is None else max(0.0, self.world.now - self._gone_at)

    def may(self, key: Stroke) -> bool | None:
        """Keys of tables only where there is one, and those of charts where there are some to choose from."""
        if key.id in _OF_TABLES and self.table is None:
            return False
        if key.id == "span":
            return bool(self.detail.charts)
        if key.id == "chart":
            return self._room is not None and self._room.charts < len(self.detail.charts)
        if key.id == "open" and self.table is None:
            return self._sections.has_links
        return super().may(key)

    # The picture

    def draw(self) -> None:
        row = self.world.find(self.detail.kind, self.detail.key)
        if row is not None:
            self.row, self._gone_at = row, None
            self.detail = detail_of(self.world, row)
        elif self.detail.kind in _LASTING:
            self.detail = detail_of(self.world, self.row)
        elif self._gone_at is None:
            self._gone_at = self.world.now
        self.set_class(self._gone_at is not None, "-gone")
        self.set_class(self.is_stale, "-stale")
        self._show(self.detail)

    def _show(self, detail: Detail) -> None:
        is_dimmed = self._gone_at is not None or self.is_stale
        width, height = self.size
        self._head.show(detail, is_dimmed=is_dimmed)
        sections = self._sections
        sections.is_dimmed = is_dimmed
        jumps = (Section("Go to", detail.jumps),) if detail.jumps else ()
        sections.show((*detail.sections, *jumps) if detail.charts else (*jumps, *detail.sections))
        below = self._show_below(detail, is_dimmed=is_dimmed)
        height -= self.bars + self._head.height
        room = share(width, height, sections=sections.content_height, charts=len(detail.charts), below=below)
        self._make_room(room, height - room.taken)
        for place, view in enumerate(self._charts):
            if place < room.charts and detail.charts:
                course = detail.charts[(self._first_chart + place) % len(detail.charts)]
                view.show(drawn(course, self.monitor.span))

    def _show_below(self, detail: Detail, *, is_dimmed: bool) -> int:
        """Show the table or the text; the lines that it would like to have."""
        if (table := self.table) is not None:
            table.is_dimmed = is_dimmed
            if not is_dimmed and detail.table is not None:
                table.show(detail.table.rows(self.world), self.monitor.clock())
            return len(table.view.rows) + 1
        lines = [piece for title, text in detail.texts for piece in _text(title, text)]
        self._text.show(lines)
        return len(lines)

    def _make_room(self, room: Room, rest: int) -> None:
        """`rest`: lines that nobody needs, so that the line of keys stays the last one."""
        if (room, rest) == (self._room, self._rest):
            return
        self._room, self._rest = room, rest
        has_table = self.table is not None
        self._blank.display = rest > 0 and not has_table
        self._blank.styles.height = rest
        self._sections.styles.height = room.sections
        self._text.display = room.below > 0 and not has_table
        self._parts.styles.height = self._text.styles.height = room.below
        self._grid.display = room.charts > 0
        self._grid.styles.grid_size_columns = room.across
        self._grid.styles.height = -(-room.charts // room.across) * room.chart_height
        for place, view in enumerate(self._charts):
            view.display = place < room.charts
            view.styles.height = room.chart_height

    # Keys

    def act_span(self) -> None:
        if self.detail.charts:
            spans = list(Span)
            self.monitor.span = spans[(spans.index(self.monitor.span) + 1) % len(spans)]
            self.tick()

    def act_next_chart(self) -> None:
        if self.detail.charts:
            self._first_chart = (self._first_chart + 1) % len(self.detail.charts)
            self.tick()

    def act_move(self, lines: int) -> None:
        if (part := self._scrolled) is not None:
            part.move_by(lines)
        else:
            super().act_move(lines)

    def act_page(self, pages: int) -> None:
        if (part := self._scrolled) is not None:
            part.move_by(pages * part.page)
        else:
            super().act_page(pages)

    def act_first(self) -> None:
        if (part := self._scrolled) is not None:
            part.move_to(0)
        else:
            super().act_first()

    def act_last(self) -> None:
        if (part := self._scrolled) is not None:
            part.move_to(part.virtual_size.height)
        else:
            super().act_last()

    def act_open(self) -> None:
        focused = self.focused
        if isinstance(focused, SectionsView) or self.table is None:
            self._sections.follow()
        else:
            super().act_open()

    def act_copy(self) -> None:
        """All of it, as text."""
        detail = self.detail
        texts = [f"{title}\n{text}" for title, text in detail.texts]
        mend = [detail.why.command] if detail.why is not None and detail.why.command else []
        parts = [detail.title, detail.summary, *mend, "", self._sections.text, *texts]
        self.app.copy_to_clipboard("\n".join(parts))
        self.notify("All of it is in the clipboard of your terminal, if it has one (OSC 52)", timeout=3, markup=False)

    @property
    def _scrolled(self) -> SectionsView | TextView | None:
        """The part that has the focus, when it is no table."""
        focused = self.focused
        return focused if isinstance(focused, SectionsView | TextView) else None

    async def on_sections_view_followed(self, event: SectionsView.Followed) -> None:
        event.stop()
        row = self.world.find(event.table, event.key)
        if row is not None:
            await self.monitor.open_row(row)
        else:
            self.notify(f"{event.key[-1]} is not known any more", severity="warning", timeout=3, markup=False)


_MEASURES = {
    "queues": "One queue of one daemon: the sentence says why it stands as it does. ",
    "sites": "One site of one daemon, and what share of the daemon it takes. ",
    "workers": "One worker slot and the process in it; a death is told with its last words. ",
    "daemons": "One daemon: its processes, its store, its hub, and how well it is heard here. ",
}
_HOW = (
    "Tab goes from part to part, and the keys that move act on the part that has the focus; lines of a part that lead "
    "elsewhere are opened with Enter. Trends have a gap where nothing was heard; what a line is now stands at its end."
)
_OF_TABLES = frozenset({"filter", "sort", "reverse", "troubled", "wide", "export"})
_LASTING = frozenset({"events", "dead"})
"""Kinds of things that do not change, and are not gone because the list that they were in is."""


def drawn(course: Course, span: Span) -> Chart:
    """The chart of some courses over a span."""
    series = tuple(Series(label, course.read(figure, span)) for figure, label in course.figures)
    return Chart(
        course.title,
        _UNITS[course.words],
        60.0 * span.step_seconds,
        series,
        course.words,
        limit=course.limit,
        limit_words=f"limit {course.words(course.limit)}" if course.limit else "",
    )


def _text(title: str, text: str) -> list[Piece]:
    return [Piece(title, "bold"), *(Piece(line) for line in text.rstrip().splitlines()), Piece("")]

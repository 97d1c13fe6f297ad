"""The table: what it formats, what it draws, and where its cursor is while rows change places."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from textual.app import App

from snqmon import themes
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.table_view import TableView
from snqmon.widgets.fact_table import FactTable
from snqmon.widgets.painting import cells, fit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import pytest
    from textual.app import ComposeResult
    from textual.geometry import Region


class Line:
    """A row of a test."""

    def __init__(self, name: str, size: int, grade: Grade = Grade.GOOD) -> None:
        self.name, self.size, self.grade = name, size, grade
        self.key = (name,)
        self.text = name


def table(formatted: list[str]) -> Table[Line]:
    def cell(row: Line) -> Cell:
        formatted.append(row.name)
        return Cell(str(row.size), row.grade)

    return Table(
        name="lines",
        title="Lines",
        measures="",
        columns=(
            Column("name", "name", 0, "", lambda row: row.name, lambda row: Cell(row.name), is_right=False, keep=100),
            Column("size", "size", 8, "Its size.", lambda row: row.size, cell),
        ),
        sort="size",
        rows=lambda _world: (),
        empty="There are none.",
    )


class Host(App[None]):
    def __init__(self, *, is_tail: bool) -> None:
        super().__init__()
        self.register_theme(themes.DARK)
        self.theme = themes.DARK.name
        self.formatted: list[str] = []
        self.view = TableView(table(self.formatted))
        self.is_tail = is_tail
        self.drawn: list[Region] = []

    def compose(self) -> ComposeResult:
        yield FactTable(self.view, is_tail=self.is_tail)


class Shown:
    def __init__(self, app: Host, pilot: Any) -> None:
        self.app, self.pilot = app, pilot
        self.table: FactTable[Line] = app.query_one(FactTable)
        self.now = 0.0

    async def show(self, rows: Iterable[Line]) -> None:
        self.now += 10.0
        self.table.show(rows, self.now)
        await self.pilot.pause()

    @property
    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


@asynccontextmanager
async def shown(*, size: tuple[int, int] = (40, 10), is_tail: bool = False) -> AsyncIterator[Shown]:
    app = Host(is_tail=is_tail)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Shown(app, pilot)


def lines_of(count: int) -> list[Line]:
    return [Line(f"row{number}", number) for number in range(count)]


async def test_of_ten_thousand_rows_only_those_in_sight_are_formatted() -> None:
    async with shown() as screen:
        await screen.show(lines_of(10_000))

        assert screen.lines[1].split() == ["▸row9999", "9999"]
        assert len(set(screen.app.formatted)) == 9


async def test_a_picture_that_is_as_it_was_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shown() as screen:
        rows = lines_of(5)
        await screen.show(rows)
        drawn: list[object] = []
        monkeypatch.setattr(screen.table, "refresh", lambda *regions, **_how: drawn.extend(regions or ["all"]))

        await screen.show(rows)
        assert drawn == []
        rows[2].size = 2_000_000
        await screen.show([*rows[:2], *rows[3:], rows[2]])

        assert "all" not in drawn
        assert {region.y for region in drawn} == {1, 2, 3}  # type: ignore[attr-defined]  # it went up from the third line


async def test_a_cursor_that_nobody_moved_stays_at_the_top() -> None:
    async with shown() as screen:
        await screen.show(lines_of(5))
        await screen.show([Line("new", 100), *lines_of(5)])

        assert screen.lines[1].startswith("▸new")


async def test_a_cursor_stays_on_its_row_whatever_the_order() -> None:
    async with shown() as screen:
        await screen.show(lines_of(5))
        screen.table.move_by(1, screen.now)
        assert screen.table.row is not None

        await screen.show([Line("row3", -1), Line("new", 100), *lines_of(3)])

        assert screen.table.row.name == "row3"
        assert screen.lines[5].startswith("▸row3")


async def test_a_tail_stays_at_its_end_until_somebody_scrolls_up() -> None:
    async with shown(is_tail=True) as screen:
        screen.app.view.is_descending = False
        await screen.show(lines_of(30))
        assert screen.lines[9].startswith("▸row29")

        screen.table.move_by(-3, screen.now)
        await screen.show(lines_of(40))
        assert any(line.startswith("▸row26") for line in screen.lines)
        screen.table.move_to(10_000, screen.now)
        await screen.show(lines_of(50))

        assert screen.lines[9].startswith("▸row49")


async def test_a_list_that_grows_does_not_lay_the_screen_out_anew() -> None:
    async with shown(is_tail=True) as screen:
        await screen.show(lines_of(12))
        layouts: list[object] = []
        screen.app.screen.screen_layout_refresh_signal.subscribe(screen.table, layouts.append, immediate=True)

        await screen.show(lines_of(60))

        assert not layouts
        grown = screen.lines
    async with shown(is_tail=True) as screen:
        await screen.show(lines_of(60))
        assert grown == screen.lines, "its scrollbar too"


async def test_a_scrollbar_is_there_while_rows_are_out_of_sight() -> None:
    async with shown() as screen:
        for count in (5, 12, 5):
            await screen.show(lines_of(count))

            assert screen.table.show_vertical_scrollbar == (count > 9)


async def test_a_cell_whose_grade_changed_is_lit_once() -> None:
    async with shown() as screen:
        await screen.show([Line("top", 9), Line("one", 1)])
        await screen.show([Line("top", 9), Line("one", 1, Grade.ACT)])
        lit = [line.lit for line in screen.table._lines.values()]
        for _ in range(4):
            await screen.show([Line("top", 9), Line("one", 1, Grade.ACT)])

        assert lit == [frozenset(), {1}]
        assert not any(line.lit for line in screen.table._lines.values())


async def test_signs_stand_before_figures_that_are_not_good() -> None:
    async with shown() as screen:
        await screen.show([Line("bad", 3, Grade.ACT), Line("so-so", 2, Grade.LOOK), Line("well", 1)])

        assert [line.split()[-1] for line in screen.lines[1:4]] == ["▲3", "△2", "1"]


async def test_the_cursor_stays_in_sight_when_the_terminal_gets_smaller() -> None:
    async with shown(size=(40, 20)) as screen:
        await screen.show(lines_of(30))
        screen.table.move_to(18, screen.now)

        await screen.pilot.resize_terminal(40, 8)
        await screen.pilot.pause()

        assert any(line.startswith("▸row11") for line in screen.lines)


def test_wide_characters_take_their_room() -> None:
    assert cells(fit("漢字の待ち行列", 8)) == 8
    assert fit("漢字", 6, is_right=True) == "  漢字"

"""The state of a table on a screen: order, cursor, choice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table, shown
from snqmon.model.table_view import HOLD_SECONDS, TableView
from snqmon.model.tables import QUEUES, TABLES

if TYPE_CHECKING:
    from snqmon.model.columns import Key


@dataclass(frozen=True)
class Thing:
    name: str
    figure: float | None = None
    grade: Grade = Grade.GOOD

    @property
    def key(self) -> Key:
        return (self.name,)

    @property
    def text(self) -> str:
        return self.name


def column(key: str, *, width: int = 5, keep: int = 0, is_wide: bool = False, is_fleet: bool = False) -> Column[Thing]:
    return Column(
        key, key, width, "", lambda row: getattr(row, key, None), lambda row: Cell(str(getattr(row, key, ""))),
        keep=keep, is_wide=is_wide, is_fleet=is_fleet, is_descending=key != "name",
    )  # fmt: skip


THINGS = Table("things", "Things", "", (column("name"), column("figure")), "figure", lambda _world: (), "None yet.")


def view_of(*things: Thing) -> TableView[Thing]:
    view = TableView(THINGS)
    view.refresh(things, 0.0)
    return view


def names(view: TableView[Thing]) -> str:
    return "".join(thing.name for thing in view.rows)


FIGURES = st.one_of(st.none(), st.integers(0, 5).map(float))


@given(st.lists(FIGURES, max_size=30), st.booleans())
def test_sorting_is_stable_and_what_has_no_value_is_last(figures: list[float | None], is_descending: bool) -> None:
    things = [Thing(str(number), figure) for number, figure in enumerate(figures)]
    view = view_of(*things)
    view.is_descending = is_descending
    rows = view.refresh(things, 0.0)

    valued = [row for row in rows if row.figure is not None]
    assert rows[len(valued) :] == [thing for thing in things if thing.figure is None]
    for one, other in itertools.pairwise(valued):
        assert one.figure is not None
        assert other.figure is not None
        if one.figure == other.figure:
            assert int(one.name) < int(other.name)
        else:
            assert (one.figure > other.figure) is is_descending


def test_the_cursor_stays_on_its_row_whatever_the_order() -> None:
    view = view_of(Thing("a", 3), Thing("b", 2), Thing("c", 1))
    view.select(1, 0.0)
    view.release()

    view.refresh([Thing("a", 1), Thing("b", 0), Thing("c", 9)], 0.1)

    assert names(view) == "cab"
    assert view.row == Thing("b", 0)
    assert view.cursor_index == 2


def test_when_its_row_vanishes_the_cursor_goes_to_the_one_in_its_place() -> None:
    view = view_of(Thing("a", 3), Thing("b", 2), Thing("c", 1))
    view.select(1, 0.0)

    view.refresh([Thing("a", 3), Thing("c", 1)], 0.1)
    assert view.cursor == ("c",)

    view.refresh([Thing("a", 3)], 0.2)
    assert view.cursor == ("a",)

    view.refresh([], 0.3)
    assert view.row is None


def test_the_order_waits_while_the_user_moves() -> None:
    view = view_of(Thing("a", 3), Thing("b", 2))
    view.move(1, 10.0)
    later = [Thing("a", 1), Thing("b", 2), Thing("new", 9)]

    view.refresh(later, 10.0 + HOLD_SECONDS - 0.1)
    assert names(view) == "abnew"

    view.refresh(later, 10.0 + HOLD_SECONDS)
    assert names(view) == "newba"
    assert view.cursor == ("b",)


def test_sorting_on_purpose_does_not_wait() -> None:
    view = view_of(Thing("a", 3), Thing("b", 2))
    view.move(1, 10.0)
    view.sort_by("figure")

    view.refresh([Thing("a", 3), Thing("b", 2)], 10.1)

    assert names(view) == "ba"


def test_sorting_by_a_column_again_reverses() -> None:
    view = view_of(Thing("a", 3), Thing("b", 2))

    view.sort_by("name")
    assert (view.sort, view.is_descending) == ("name", False)
    view.sort_by("name")
    assert (view.sort, view.is_descending) == ("name", True)
    view.next_sort()
    assert (view.sort, view.is_descending) == ("figure", True)
    view.next_sort()
    assert view.sort == "name"
    view.reverse()
    assert view.is_descending
    with pytest.raises(KeyError):
        view.sort_by("colour")


def test_what_is_hidden_by_choice_is_told_and_can_be_had_back() -> None:
    things = [Thing("a", 3), Thing("b", 2, Grade.LOOK), Thing("ab", 1, Grade.ACT)]
    view = view_of(*things)
    view.filter_by("a")
    view.toggle_troubled()
    view.refresh(things, 1.0)

    assert names(view) == "ab"
    assert view.count_words == "1 of 3"
    assert view.choice_words == "filter a, only in trouble"

    view.filter_by("x")
    view.refresh(things, 2.0)
    assert view.empty_words == "None of 3 things matches “x” and is in trouble. Press Escape to see all."

    assert view.clear_filter()
    assert not view.clear_filter()
    view.refresh(things, 3.0)
    assert view.count_words == "3"
    assert view.empty_words == ""
    view.refresh([], 4.0)
    assert view.empty_words == "None yet."


def test_a_row_can_be_selected_before_it_is_there() -> None:
    view = view_of(Thing("a", 3))
    assert not view.select_key(("z",))

    view.refresh([Thing("a", 3), Thing("z", 1)], 1.0)

    assert view.row == Thing("z", 1)


def test_columns_go_in_their_order_when_it_is_narrow() -> None:
    columns = [
        column("name", width=0, keep=100), column("figure", keep=2), column("grade", keep=1),
        column("more", keep=50, is_wide=True), column("daemon", keep=90, is_fleet=True),
    ]  # fmt: skip

    def keys(width: int, *, is_wide: bool = False, is_fleet: bool = False) -> str:
        found = shown(columns, width, is_wide=is_wide, is_fleet=is_fleet, flexible=10)
        return " ".join(column.key for column in found)

    assert keys(80) == "name figure grade"
    assert keys(80, is_wide=True, is_fleet=True) == "name figure grade more daemon"
    assert keys(22) == "name figure grade"
    assert keys(21) == "name figure"
    assert keys(15) == "name"
    assert keys(3) == "name"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_whole(name: str) -> None:
    """One column takes what is left, the first sort exists, names are not used twice, every column says what it is."""
    table = TABLES[name]

    assert sum(column.width == 0 for column in table.columns) == 1
    assert table.column(table.sort) in table.columns
    keys = [column.key for column in table.columns]
    assert len(set(keys)) == len(keys)
    for each in table.columns:
        assert each.definition.endswith(".")
        assert len(each.heading) <= (each.width or 16)


def test_queues_fit_into_the_smallest_terminal() -> None:
    found = [column.key for column in shown(QUEUES.columns, 80, is_wide=False)]

    assert {"queue", "lag_seconds", "ready", "in_rate", "out_rate", "fail_rate"} <= set(found)

"""`TableView`: what one table shows on a screen: order, filter, cursor. Pure state; the screen draws what it says.

The cursor stays on its row, whatever the order. When that row vanishes, the row that has its place takes the cursor.
While the user moves the cursor the order stands still, and is made anew `HOLD_SECONDS` after the last move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic

from snqmon.model.cells import Grade
from snqmon.model.columns import R
from snqmon.model.filters import NONE, read_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqmon.model.columns import Column, Key, Table
    from snqmon.model.filters import Filter

HOLD_SECONDS: Final = 3.0


class TableView(Generic[R]):
    def __init__(self, table: Table[R]) -> None:
        self.table = table
        self.sort = table.sort
        """The key of the column by which rows are sorted."""
        self.is_descending = table.column(table.sort).is_descending
        self.filter: Filter = NONE
        self.is_only_troubled = False
        self.is_wide = False
        self.rows: list[R] = []
        """Those that are shown, in their order."""
        self.total = 0
        """How many there are with those that are not shown."""
        self.cursor: Key | None = None
        self.cursor_index = 0
        """The place of the cursor in `rows`; 0 when there are none."""
        self._held_until = float("-inf")

    def refresh(self, rows: Iterable[R], now: float) -> list[R]:
        """Take the rows as they are now; what is shown of them, in order. `now`: seconds by any steady clock."""
        everything = rows if isinstance(rows, list) else list(rows)
        self.total = len(everything)
        kept: list[R] = self.filter.kept(everything)
        if self.is_only_troubled:
            kept = [row for row in kept if row.grade > Grade.GOOD]
        self.rows = self._as_before(kept) if now < self._held_until and self.rows else self._sorted(kept)
        self._keep_cursor()
        return self.rows

    @property
    def shown(self) -> int:
        return len(self.rows)

    @property
    def row(self) -> R | None:
        """The row under the cursor."""
        return self.rows[self.cursor_index] if self.rows else None

    @property
    def is_holding(self) -> bool:
        """Whether the order stood still at the last refresh because the user moves."""
        return self._held_until > float("-inf")

    @property
    def sort_column(self) -> Column[R]:
        return self.table.column(self.sort)

    def sort_by(self, key: str) -> None:
        """By this column; again by the same one reverses. Raises `KeyError` for a column that the table has not."""
        column = self.table.column(key)
        self.is_descending = not self.is_descending if key == self.sort else column.is_descending
        self.sort = key
        self.release()

    def next_sort(self, columns: Sequence[Column[R]] | None = None, *, step: int = 1) -> Column[R]:
        """By the next of these columns, as a rule the visible ones; the first after the last."""
        among = list(columns if columns is not None else self.table.columns)
        keys = [column.key for column in among]
        at = keys.index(self.sort) + step if self.sort in keys else 0
        column = among[at % len(among)]
        self.sort, self.is_descending = column.key, column.is_descending
        self.release()
        return column

    def reverse(self) -> None:
        self.is_descending = not self.is_descending
        self.release()

    def filter_by(self, text: str) -> None:
        """An empty text shows everything."""
        self.filter = read_filter(text, self.table.columns)

    def toggle_troubled(self) -> None:
        self.is_only_troubled = not self.is_only_troubled

    def clear_filter(self) -> bool:
        """Show everything again; whether anything was hidden by choice."""
        was_filtered = bool(self.filter.tests) or self.is_only_troubled
        self.filter, self.is_only_troubled = NONE, False
        return was_filtered

    def select(self, index: int, now: float) -> None:
        """The user put the cursor on a place of `rows`: places outside mean the first or the last."""
        if self.rows:
            self.cursor_index = max(0, min(index, len(self.rows) - 1))
            self.cursor = self.rows[self.cursor_index].key
        self.hold(now)

    def select_key(self, key: Key) -> bool:
        """Put the cursor on a row, now or as soon as it is there; whether it is shown."""
        self.cursor = key
        for index, row in enumerate(self.rows):
            if row.key == key:
                self.cursor_index = index
                return True
        return False

    def move(self, steps: int, now: float) -> None:
        """The user moved the cursor so many rows down."""
        self.select(self.cursor_index + steps, now)

    def hold(self, now: float) -> None:
        """The user moves: leave the order as it is for a while."""
        self._held_until = now + HOLD_SECONDS

    def release(self) -> None:
        """Sort at the next refresh."""
        self._held_until = float("-inf")

    @property
    def count_words(self) -> str:
        """`12 of 340`, or `340`."""
        return f"{self.shown:,} of {self.total:,}" if self.shown != self.total else f"{self.total:,}"

    @property
    def choice_words(self) -> str:
        """What is hidden by choice, in words; empty = nothing."""
        parts = [f"filter {self.filter.text}"] if self.filter.tests else []
        return ", ".join([*parts, "only in trouble"] if self.is_only_troubled else parts)

    @property
    def empty_words(self) -> str:
        """What stands in the place of rows when there are none to show; empty = there are rows."""
        if self.rows:
            return ""
        if not self.total:
            return self.table.empty
        what = self.table.title.lower()
        if self.is_only_troubled and not self.filter.tests:
            return f"None of {self.total:,} {what} is in trouble. Press z to see all."
        also = " and is in trouble" if self.is_only_troubled else ""
        return f"None of {self.total:,} {what} matches “{self.filter.text}”{also}. Press Escape to see all."

    def _sorted(self, rows: list[R]) -> list[R]:
        """What has no value is last in both directions; equal ones keep the order in which the world gives them."""
        value: Callable[[R], object] = self.sort_column.order or self.sort_column.value
        valued = [(figure, row) for row in rows if (figure := value(row)) is not None]
        if not valued:
            return rows
        valued.sort(key=_figure, reverse=self.is_descending)
        ordered = [row for _figure, row in valued]
        if len(ordered) < len(rows):
            ordered += [row for row in rows if value(row) is None]
        return ordered

    def _as_before(self, rows: list[R]) -> list[R]:
        """In the order of the last refresh; new ones are last."""
        by_key = {row.key: row for row in rows}
        ordered = [row for before in self.rows if (row := by_key.pop(before.key, None)) is not None]
        return ordered + list(by_key.values())

    def _keep_cursor(self) -> None:
        if not self.rows:
            self.cursor_index = 0
            return
        if self.cursor is not None:
            for index, row in enumerate(self.rows):
                if row.key == self.cursor:
                    self.cursor_index = index
                    return
        self.cursor_index = min(self.cursor_index, len(self.rows) - 1)
        self.cursor = self.rows[self.cursor_index].key


def _figure(pair: tuple[Any, Any]) -> Any:
    return pair[0]

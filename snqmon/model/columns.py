"""`Column` and `Table`: tables as data. Screens, tooltips, exports and docs/monitor.md are all made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqmon.model.cells import Cell, Grade
    from snqmon.model.world import World

Key = tuple[str, ...]
Value = str | int | float | None


class Row(Protocol):
    """One line of a table. Rows are cheap to make and look their figures up only when a column asks for them."""

    @property
    def key(self) -> Key:
        """Names it for as long as it lives: the cursor stays on it, whatever the order."""

    @property
    def grade(self) -> Grade:
        """The worst of its figures: `z` shows only rows that are not good."""

    @property
    def text(self) -> str:
        """What a filter looks at: its names and words, in one line."""


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    key: str
    """The name of the figure, as telemetry calls it: in exports, key files and docs."""
    heading: str
    width: int
    """Characters, with one for the sign of a grade. 0 = takes what is left; one column of each table does."""
    definition: str
    """One sentence with the unit: the tooltip of its heading, and its line in the documentation."""
    value: Callable[[R], Value]
    """By which it is sorted, and which is exported. None sorts last, in both directions."""
    cell: Callable[[R], Cell]
    order: Callable[[R], object] | None = None
    """By which it is sorted when that is not the value; it can be compared, or is None."""
    is_right: bool = True
    keep: int = 0
    """When the terminal is too narrow, columns go in the order of this number, lowest first; 100 never goes."""
    is_wide: bool = False
    """Shown only when asked for all columns (`W`)."""
    is_fleet: bool = False
    """Shown only when there are several daemons: says whose row it is."""
    is_descending: bool = True
    """The direction in which it is sorted first."""


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    name: str
    title: str
    measures: str
    """A sentence or two for the help: what the screen measures, and how its words are defined."""
    columns: tuple[Column[R], ...]
    sort: str
    """The key of the column by which it is sorted at first."""
    rows: Callable[[World], Iterable[R]]
    empty: str
    """What is said when there are no rows at all."""

    def column(self, key: str) -> Column[R]:
        """Raises `KeyError`."""
        for column in self.columns:
            if column.key == key:
                return column
        raise KeyError(key)


def shown(
    columns: Sequence[Column[R]], width: int, *, is_wide: bool, is_fleet: bool = False, gap: int = 1, flexible: int = 16
) -> list[Column[R]]:
    """The columns that fit into `width` characters, in their order; the flexible one wants `flexible` of them."""
    left = [column for column in columns if (is_wide or not column.is_wide) and (is_fleet or not column.is_fleet)]
    while len(left) > 1 and sum((column.width or flexible) + gap for column in left) - gap > width:
        first = min(left, key=lambda column: column.keep)
        if first.keep >= 100:
            break
        left.remove(first)
    return left

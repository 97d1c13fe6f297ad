"""A table as lines of plain text: the rows, the columns and their order are those of the screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from snqd.telemetry.words import plural
from snqmon.model.columns import Row, shown
from snqmon.model.formats import cut
from snqmon.model.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqmon.model.columns import Column, Table
    from snqmon.model.world import World

R = TypeVar("R", bound=Row)
_LEAST_FLEXIBLE = 12


def table_text(table: Table[R], world: World, *, most: int, width: int) -> Iterator[str]:
    """Title, headings, and up to `most` rows in the order in which a screen shows them first."""
    view = TableView(table)
    rows = view.refresh(table.rows(world), world.now)
    yield f"{table.title} ({len(rows):,})"
    if not rows:
        yield f"  {table.empty}"
        return
    columns = shown(table.columns, width, is_wide=False, is_fleet=world.has_many_daemons)
    widths = [_width(column, rows[:most]) for column in columns]
    yield _line([column.heading for column in columns], columns, widths)
    for row in rows[:most]:
        yield _line([column.cell(row).signed for column in columns], columns, widths)
    if len(rows) > most:
        yield f"  and {plural(len(rows) - most, 'row')} more: --json has them all"


def _width(column: Column[R], rows: list[R]) -> int:
    """A column that takes what is left takes what its texts need."""
    if column.width:
        return column.width
    return max(_LEAST_FLEXIBLE, len(column.heading), *(len(column.cell(row).signed) for row in rows))


def _line(texts: list[str], columns: list[Column[R]], widths: list[int]) -> str:
    parts = [
        (text.rjust(width) if column.is_right else text.ljust(width))
        for text, column, width in zip(
            (cut(text, width) for text, width in zip(texts, widths, strict=True)), columns, widths, strict=True
        )
    ]
    return f"  {' '.join(parts)}".rstrip()

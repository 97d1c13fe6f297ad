"""The rows of a table for other programs: CSV and JSON with values as they are measured, and one row as text.

Durations are seconds, sizes bytes, shares 0 to 1.
"""

from __future__ import annotations

import csv
import io
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqmon.model.columns import Column, Row, Value


def exported(name: str, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> str:
    """What is to be written into a file of this name: JSON if it ends in `.json`, else CSV."""
    write = as_json if PurePath(name).suffix.lower() == ".json" else as_csv
    return write(columns, rows)


def as_csv(columns: Sequence[Column[Any]], rows: Iterable[Row]) -> str:
    """The first line has the columns' names; what is not known is empty."""
    written = io.StringIO(newline="")
    sheet = csv.writer(written, lineterminator="\n")
    sheet.writerow(column.key for column in columns)
    sheet.writerows([_plain(column.value(row)) for column in columns] for row in rows)
    return written.getvalue()


def as_json(columns: Sequence[Column[Any]], rows: Iterable[Row]) -> str:
    """A list of objects, in the order of the rows; what is not known is null."""
    told = [{column.key: _plain(column.value(row)) for column in columns} for row in rows]
    return msgspec.json.format(msgspec.json.encode(told).decode()) + "\n"


def as_text(columns: Sequence[Column[Any]], row: Row) -> str:
    """One row for the clipboard: `queue mail  lag 38s  depth 1,204`."""
    cells = ((column.heading, column.cell(row).text.strip()) for column in columns)
    return "  ".join(f"{heading} {text}" for heading, text in cells if text)


def _plain(value: Value) -> Value:
    """Neither format has a word for infinity, which stands for never."""
    return None if isinstance(value, float) and not isfinite(value) else value

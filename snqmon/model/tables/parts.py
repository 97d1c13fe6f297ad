"""Columns that several tables have: figures of items that wait, of rates, and of times."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column

if TYPE_CHECKING:
    from snqmon.model.latency import Percentiles

SHARES = ("p50", "p95", "p99")


def daemon(keep: int = 95) -> Column[Any]:
    return Column(
        "daemon", "daemon", 18, "The daemon that says so, as name@host; shown when there are several.",
        value=lambda row: row.daemon, cell=lambda row: Cell(formats.cut(row.daemon, 18)),
        is_right=False, keep=keep, is_fleet=True, is_descending=False,
    )  # fmt: skip


def number(
    key: str, heading: str, width: int, definition: str, *, keep: int, grade: str = "", is_wide: bool = False,
    is_quiet: bool = True,
) -> Column[Any]:  # fmt: skip
    """A number of things. `is_quiet`: dim when it is 0; `grade`: the attribute with its grade."""

    def cell(row: Any) -> Cell:
        value = getattr(row, key)
        return Cell(formats.count(value), _grade(row, grade, value, is_quiet=is_quiet))

    return Column(
        key, heading, width, definition, lambda row: getattr(row, key), cell, keep=keep, is_wide=is_wide
    )  # fmt: skip


def items(key: str, heading: str, definition: str, *, keep: int, grade: str = "", is_wide: bool = False) -> Column[Any]:
    """A number of items in the store, which may be an estimate."""

    def cell(row: Any) -> Cell:
        value = getattr(row, key)
        text = formats.count(value, is_estimate=bool(value) and row.is_estimate)
        return Cell(text, _grade(row, grade, value, is_quiet=True))

    return Column(key, heading, 9, definition, lambda row: getattr(row, key), cell, keep=keep, is_wide=is_wide)


def rate(key: str, heading: str, definition: str, *, keep: int, grade: str = "", is_wide: bool = False) -> Column[Any]:
    """Things per second, over the last minute."""

    def cell(row: Any) -> Cell:
        value = getattr(row, key)
        return Cell(formats.rate(value), _grade(row, grade, value, is_quiet=True))

    return Column(key, heading, 7, definition, lambda row: getattr(row, key), cell, keep=keep, is_wide=is_wide)


def share(key: str, heading: str, definition: str, *, keep: int, grade: str = "", is_wide: bool = False) -> Column[Any]:
    """A part of a whole."""

    def cell(row: Any) -> Cell:
        value = getattr(row, key)
        return Cell(formats.share(value), _grade(row, grade, value, is_quiet=True))

    return Column(key, heading, 6, definition, lambda row: getattr(row, key), cell, keep=keep, is_wide=is_wide)


def lag(keep: int = 90) -> Column[Any]:
    def cell(row: Any) -> Cell:
        value = row.lag_seconds
        return Cell(
            formats.UNKNOWN if not value else formats.duration(value), _grade(row, "lag_grade", value, is_quiet=True)
        )

    return Column(
        "lag_seconds", "lag", 7, "Age of the oldest item that could be claimed now; – while there is none.",
        value=lambda row: row.lag_seconds, cell=cell, keep=keep,
    )  # fmt: skip


def timing(kind: str, place: int, *, keep: int, is_wide: bool = False) -> Column[Any]:
    """A percentile of `run` or `wait`: dim when nothing ended within the last minute, and it is since the boot."""
    percentile = SHARES[place]
    what = "Handlers' run time" if kind == "run" else "Time from when an item could be claimed to its handler's start"

    def read(row: Any) -> tuple[float | None, bool]:
        found: tuple[Percentiles, bool] = getattr(row, kind)
        return found[0][place], found[1]

    def cell(row: Any) -> Cell:
        value, is_recent = read(row)
        return Cell(formats.timing(value), Grade.GOOD if is_recent else Grade.DIM)

    return Column(
        f"{kind}_{percentile}", f"{kind} {percentile}", 8,
        f"{what}: {percentile[1:]} % of the items within the last minute stayed below; dim = nothing ended within the "
        "last minute, this is since the daemon's boot.",
        value=lambda row: read(row)[0], cell=cell, keep=keep, is_wide=is_wide,
    )  # fmt: skip


def trend(figure: str, heading: str, definition: str, *, keep: int) -> Column[Any]:
    """A sparkline of the last minute; sorted by its newest value."""

    def value(row: Any) -> float | None:
        courses = row.track.courses
        latest = courses.latest(figure) if courses is not None else None
        return None if latest is None or isnan(latest) else latest

    return Column(key="trend", heading=heading, width=12, definition=definition, value=value,
        cell=lambda row: Cell(row.trend(figure)), is_right=False, keep=keep,
    )  # fmt: skip


def name(key: str, heading: str, width: int, definition: str, *, keep: int = 100, grade: str = "") -> Column[Any]:
    """A name, at the left. Width 0 = takes what is left."""

    def cell(row: Any) -> Cell:
        text = str(getattr(row, key))
        return Cell(formats.cut(text, width) if width else text, _grade(row, grade, text, is_quiet=False))

    return Column(
        key, heading, width, definition, value=lambda row: getattr(row, key), cell=cell, is_right=False, keep=keep,
        is_descending=False,
    )  # fmt: skip


def _grade(row: Any, attribute: str, value: object, *, is_quiet: bool) -> Grade:
    grade: Grade = getattr(row, attribute) if attribute else Grade.GOOD
    if grade > Grade.GOOD:
        return grade
    return Grade.DIM if value is None or (is_quiet and not value) else grade

"""What stands in the detail of one thing, as data: sections of lines, charts over time, long texts, ways elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.telemetry.why import Answer
    from snqmon.model.columns import Key, Table
    from snqmon.model.course import Courses, Span
    from snqmon.model.rows.flow import FlowRow


Told = TypeVar("Told")


class Line(NamedTuple):
    label: str
    cell: Cell
    definition: str = ""
    """One sentence, for a tooltip."""
    row: tuple[str, Key] | None = None
    """The table and the row that it is about, where Enter leads."""


class Section(NamedTuple):
    title: str
    lines: tuple[Line, ...]
    columns: int = 1
    """How wide it wants to be, in columns of some 24 characters; 0 = its lines are sentences, for the whole width."""


class Chart(NamedTuple):
    """Figures that are drawn on one axis."""

    title: str
    figures: tuple[tuple[str, str], ...]
    """The names of the courses, each with a word for the legend."""
    read: Callable[[str, Span], list[float]]
    """60 values of a course, the newest last; NaN = a gap; empty when no course is kept."""
    words: Callable[[float | None], str]
    """A value in words."""
    limit: float | None = None
    """A value that is worth a line of its own."""
    definition: str = ""


class Detail(NamedTuple):
    title: str
    kind: str
    """The name of the table whose row it is: queues, sites, workers, events, alarms, daemons, dead."""
    key: Key
    grade: Grade
    summary: str
    """One line below the title."""
    sections: tuple[Section, ...]
    charts: tuple[Chart, ...] = ()
    why: Answer | None = None
    """Why it does not move, and the command that mends it."""
    texts: tuple[tuple[str, str], ...] = ()
    """Long texts with their titles: tracebacks, stacks."""
    table: Table[Any] | None = None
    """What it is made of."""
    jumps: tuple[Line, ...] = ()
    """Ways to other rows."""


def line(label: str, text: str, grade: Grade = Grade.GOOD, definition: str = "") -> Line:
    return Line(label, Cell(text, Grade.DIM if text in ("", formats.UNKNOWN) else grade), definition)


def column_line(table: Table[Any], key: str, row: object, label: str = "") -> Line:
    """A cell of the table with the column's own heading and definition."""
    column = table.column(key)
    cell: Cell = column.cell(row)
    return Line(label or column.heading, cell, column.definition)


def counted(label: str, number: int | None, definition: str = "", grade: Grade = Grade.GOOD) -> Line:
    return Line(label, Cell(formats.count(number), grade if number else Grade.DIM), definition)


def first_lines(found: Sequence[Told], most: int, make: Callable[[Told], Line]) -> list[Line]:
    """A line for each of the first `most`, and one that counts the others."""
    lines = [make(each) for each in found[:most]]
    if len(found) > most:
        lines.append(Line("", Cell(f"and {formats.count(len(found) - most)} more")))
    return lines


_TIMINGS: Final = {
    "wait": "From when an item could be claimed to its handler's start",
    "run": "Run time of the handler",
}


def timings(row: FlowRow) -> Section:
    """Percentiles of the last minute, or dim since the daemon's boot when nothing ended within it."""
    lines = []
    for kind in ("wait", "run"):
        found, is_recent = row.wait if kind == "wait" else row.run
        when = (
            "within the last minute" if is_recent else "since the daemon's boot: nothing ended within the last minute"
        )
        grade = Grade.GOOD if is_recent else Grade.DIM
        words = "  ".join(
            f"{share} {formats.timing(value)}" for share, value in zip(("p50", "p95", "p99"), found, strict=True)
        )
        lines.append(Line(kind, Cell(words, grade), f"{_TIMINGS[kind]}, {when}."))
    return Section("Timings", tuple(lines), columns=2)


def outcomes(row: FlowRow) -> Section:
    """What became of the items since the daemon's boot: what never happened takes no line."""
    totals = row.totals
    lines = (
        counted("handled", totals.handled, "Done, and the store knows."),
        counted("failed", totals.failed, "Handlings that ended with an exception, a time limit or a crash."),
        counted("retried", totals.retried, "Handlers that asked for a later attempt."),
        counted("discarded", totals.discarded, "Not worth doing, by the handler's own decision."),
        counted("dead-lettered", totals.dead_lettered, "Given up, and kept in the dead-letter table."),
        counted("bad items", totals.bad_items, "Dead-lettered because their frame was not valid.", Grade.LOOK),
        counted("released", totals.released, "Given back without using an attempt."),
        counted("reclaimed", totals.reclaimed, "Given back in the place of a claimant that is gone."),
        counted("leases lost", totals.leases_lost, "Ended when their claim was no longer ours.", Grade.LOOK),
    )
    return Section("Since boot", (*lines[:2], *(line for line in lines[2:] if line.cell.grade is not Grade.DIM)))


_PEAKS: Final = (
    ("lag", "lag", formats.duration),
    ("ready", "depth", formats.count),
    ("in", "in/s", formats.rate),
    ("out", "out/s", formats.rate),
    ("failed", "fail/s", formats.rate),
)


def peaks(courses: Courses | None) -> Section:
    """The highest values since they were reset."""
    known = courses.peaks if courses is not None else {}
    return Section(
        "Peaks",
        tuple(
            line(
                label, words(known[figure]), definition="The highest since this monitor began, or since r was pressed."
            )
            for figure, label, words in _PEAKS
            if figure in known
        ),
    )


def flow_charts(row: FlowRow) -> tuple[Chart, ...]:
    """The charts of whatever items flow through."""
    return (
        Chart("lag", (("lag", "lag"),), row.course, formats.duration, definition="Age of the oldest ready item."),
        Chart("depth", (("ready", "depth"),), row.course, formats.count, definition="Items that could be claimed."),
        Chart("in, out", (("in", "in/s"), ("out", "out/s"), ("failed", "fail/s")), row.course, formats.rate,
              definition="Items per second that came in, left for good, and failed."),
        Chart("wait", (("wait_p50", "p50"), ("wait_p95", "p95"), ("wait_p99", "p99")), row.course, formats.timing,
              definition="From when an item could be claimed to its handler's start."),
        Chart("run", (("run_p50", "p50"), ("run_p95", "p95"), ("run_p99", "p99")), row.course, formats.timing,
              definition="Run time of the handler."),
    )  # fmt: skip


def some(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Without those that have nothing to say."""
    return tuple(section for section in sections if section.lines)

"""The table of events, and that of alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.alarm import AlarmRow
    from snqmon.model.rows.event import EventRow

EVENTS: Table[EventRow] = Table(
    name="events",
    title="Events",
    measures=(
        "What happened, newest last, as it came from the daemons; the log has all of it. The list stays at its end "
        "until you scroll up."
    ),
    columns=(
        Column("at", "time", 8, "When, by the clock of the daemon's host, shown in the time zone here.",
               value=lambda row: row.at, cell=lambda row: Cell(formats.clock(row.at)), is_right=False, keep=100),
        parts.daemon(keep=60),
        Column("level", "level", 8, "debug, info, warning, error.", value=lambda row: int(row.grade),
               cell=lambda row: Cell(row.level, row.grade), is_right=False, keep=70),
        parts.name("name", "event", 17, "The event's type: docs/events.md has each.", keep=80),
        parts.name("message", "message", 0, "What happened, in one line.", grade="grade"),
        parts.name("queue", "queue", 12, "The queue that it is about.", keep=30),
        parts.name("site", "site", 16, "The site that it is about.", keep=20),
        parts.name("worker", "worker", 12, "The worker that it is about.", keep=25),
    ),
    sort="at",
    rows=lambda world: world.events(),
    empty="Nothing has happened since this monitor began to listen.",
)  # fmt: skip


def _alarm_state(row: AlarmRow) -> Cell:
    """Without a sign: that stands with the name, for which there is always room."""
    return Cell("raised", Grade.GOOD) if row.is_raised else Cell("cleared", Grade.DIM)


def _since(row: AlarmRow) -> Cell:
    return Cell(formats.duration(row.since_seconds), Grade.GOOD if row.is_raised else Grade.DIM)


ALARMS: Table[AlarmRow] = Table(
    name="alarms",
    title="Alarms",
    measures=(
        "What the daemons themselves call bad, by the thresholds of `[alarms]` in their configuration; an alarm that "
        "is cleared stays for a minute. The colours of this monitor have thresholds of their own."
    ),
    columns=(
        parts.daemon(),
        Column("is_raised", "state", 9, "Raised, or cleared a short while ago.", value=lambda row: int(row.grade),
               cell=_alarm_state, is_right=False, keep=90),
        Column("since_seconds", "since", 7, "How long it has been so.",
               value=lambda row: row.since_seconds, cell=_since, keep=95),
        parts.name("name", "alarm", 14, "Which alarm: docs/configuration.md has each.", grade="grade"),
        parts.name("subject", "about", 18, "The queue, worker or store that it is about.", keep=97),
        parts.name("message", "message", 0, "What is bad, in a sentence."),
        Column("value", "value", 9, "The figure that is judged, in the unit of its threshold.",
               value=lambda row: row.value, cell=lambda row: Cell(f"{row.value:,.4g}"), keep=40, is_wide=True),
        Column("threshold", "limit", 9, "The threshold.", value=lambda row: row.threshold,
               cell=lambda row: Cell(f"{row.threshold:,.4g}"), keep=39, is_wide=True),
    ),
    sort="is_raised",
    rows=lambda world: world.alarms(),
    empty="No alarm is raised.",
)  # fmt: skip

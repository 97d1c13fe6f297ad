"""Lines that tell which schedules enqueue for a queue, and when each is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqd.telemetry.words import plural
from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import Line, Section, first_lines

if TYPE_CHECKING:
    from snqd.telemetry.facts import ScheduleFact
    from snqmon.model.moment import Moment

_MOST: Final = 6
_LATE_SECONDS: Final = 60.0
"""From then on a due time has not just come."""
_DEFINITION: Final = "The first due time on which no daemon has acted, at the site that is furthest behind."


def schedules(moment: Moment, queue: str) -> Section:
    """Those that are behind first, then the one that is due next."""
    found = [fact for fact in moment.view.schedules.values() if fact.queue == queue]
    found.sort(key=lambda fact: (not fact.due, fact.due, fact.name))
    return Section("Schedules", tuple(first_lines(found, _MOST, lambda fact: _line(fact, moment))), columns=0)


def _line(fact: ScheduleFact, moment: Moment) -> Line:
    when, grade = _when(fact, moment)
    where = f" at {plural(fact.sites, 'site')}" if fact.sites > 1 else f" at {fact.site}" if fact.site else ""
    said = f": {fact.problem}" if fact.problem else ""
    words = formats.one_line(f"{when}{where}{said}")
    return Line(formats.one_line(fact.name), Cell(words, Grade.ACT if fact.problem else grade), _DEFINITION)


def _when(fact: ScheduleFact, moment: Moment) -> tuple[str, Grade]:
    if not fact.due:
        return "never due", Grade.LOOK
    if fact.overdue_seconds:
        grade = Grade.LOOK if fact.overdue_seconds >= _LATE_SECONDS else Grade.GOOD
        return f"due since {formats.duration(fact.overdue_seconds)}", grade
    return f"due in {formats.duration(max(0.0, fact.due - moment.there))}", Grade.GOOD

"""Lines that tell what happened lately to a queue, a site or a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqmon.model import formats
from snqmon.model.cells import Cell
from snqmon.model.details.base import Line, Section, first_lines

if TYPE_CHECKING:
    from snqd.telemetry.facts import WorkerFact
    from snqmon.model.moment import Moment
    from snqmon.model.rows import EventRow
    from snqmon.model.world import World

_MOST: Final = 8


def happened(world: World, daemon: str, /, **fields: str) -> Section:
    """The latest events of a daemon that have these fields, newest first."""
    found: list[EventRow] = []
    for row in reversed(world.events()):
        if row.daemon == daemon and all(row.fact.fields.get(name) == value for name, value in fields.items()):
            found.append(row)
            if len(found) == _MOST:
                break
    return Section("Lately", tuple(event_line(row) for row in found), columns=0)


def event_line(row: EventRow) -> Line:
    return Line(formats.clock(row.at), Cell(row.message, row.grade), f"Event {row.name}", ("events", row.key))


def running(moment: Moment, *, queue: str | None = None, site: str | None = None) -> Section:
    """The workers whose longest item is of this queue or site, the longest first."""
    found = [
        fact
        for fact in moment.view.workers.values()
        if fact.running and (queue is None or fact.queue == queue) and (site is None or fact.site == site)
    ]
    found.sort(key=lambda fact: fact.item_started or moment.there)

    def made(fact: WorkerFact) -> Line:
        age = formats.duration(moment.age(fact.item_started))
        words = f"#{fact.item} {fact.site if queue is not None else fact.queue} for {age}"
        return Line(fact.worker, Cell(words), "Its longest item", ("workers", (moment.key, fact.worker)))

    return Section("Runs now", tuple(first_lines(found, _MOST, made)), columns=2)

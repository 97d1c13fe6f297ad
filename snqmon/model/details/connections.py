"""Lines that tell how the connections are that services keep for a site, or in a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import Line, Section, first_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snqd.telemetry.facts import ConnectionFact
    from snqmon.model.moment import Moment

_MOST: Final = 8
_CONNECTED: Final = "connected"
_STATES: Final[Mapping[str, Grade]] = {
    _CONNECTED: Grade.GOOD,
    "connecting": Grade.LOOK,
    "backing off": Grade.ACT,
    "closed": Grade.DIM,
}


def connections(moment: Moment, *, site: str | None = None, worker: str | None = None) -> Section:
    """Of this site alone, or of this worker; those that are not connected first."""
    found = [
        fact
        for fact in moment.view.connections.values()
        if (site is None or fact.site == site) and (worker is None or fact.worker == worker)
    ]
    found.sort(key=lambda fact: (fact.state == _CONNECTED, fact.name))
    lines = first_lines(found, _MOST, lambda fact: _connection_line(fact, moment))
    return Section("Connections", tuple(lines), columns=0)


def around(sections: Sequence[Section], connections: Section) -> list[Section]:
    """The sections of a detail with its connections: first when one is away, which is what one has come for; else last,
    for they are as wide as the screen, and what stands in columns stands better together.
    """
    is_away = any(line.cell.grade > Grade.GOOD for line in connections.lines)
    return [connections, *sections] if is_away else [*sections, connections]


def _connection_line(fact: ConnectionFact, moment: Moment) -> Line:
    ping = f", ping {formats.timing(fact.ping_seconds)}" if fact.ping_seconds >= 0 else ""
    said = f": {formats.one_line(fact.problem)}" if fact.problem else ""
    words = (
        f"{fact.service} {fact.state} for {formats.duration(moment.age(fact.since))}{said}{ping}, "
        f"{formats.count(fact.unacknowledged)} unacknowledged, {formats.count(fact.sent)} sent"
    )
    definition = f"A connection that {fact.worker} keeps, and what went through it since that worker's process began."
    return Line(formats.one_line(fact.name), Cell(words, _STATES.get(fact.state, Grade.LOOK)), definition)

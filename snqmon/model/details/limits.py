"""Lines that tell what limits hold for a queue or a site, over all daemons, and which of them holds items back."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from snqd.telemetry.limits import EACH
from snqd.telemetry.words import rate_words
from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import Line, Section, first_lines

if TYPE_CHECKING:
    from snqd.telemetry.facts import LimitFact
    from snqmon.model.moment import Moment

_MOST: Final = 6
_broadest_first = attrgetter("queue", "site")  # the empty name and `*` come before letters and digits
_DEFINITION: Final = (
    "Most items that are claimed at the same time, or begun in a second, over all daemons on the store."
)


def limits_of_queue(moment: Moment, queue: str) -> Section:
    """Its own, that for each of its sites, and those of single sites."""
    found = sorted((fact for fact in moment.view.limits.values() if fact.queue == queue), key=_broadest_first)
    lines = first_lines(found, _MOST, lambda fact: Line(_site_words(fact.site), _cell(fact), _DEFINITION))
    told = moment.view.queues.get(queue)
    if told is not None and told.held_back:
        lines.insert(
            0, Line("held back", Cell(formats.one_line(told.held_back), Grade.LOOK), "The limit that is reached.")
        )
    return Section("Limits", tuple(lines), columns=0)


def limits_of_site(moment: Moment, site: str) -> Section:
    """Its own over all queues, and what it has of each; what holds for each site unless it has one of its own."""
    by_queue: dict[str, LimitFact] = {}
    for fact in moment.view.limits.values():
        if fact.site == site or (fact.site == EACH and fact.queue not in by_queue):
            by_queue[fact.queue] = fact
    found = sorted(by_queue.values(), key=_broadest_first)
    lines = first_lines(
        found, _MOST, lambda fact: Line(formats.one_line(fact.queue) or "all queues", _cell(fact), _DEFINITION)
    )
    return Section("Limits", tuple(lines), columns=0)


def _site_words(site: str) -> str:
    return {"": "all sites", EACH: "each site"}.get(site) or formats.one_line(site)


def _cell(fact: LimitFact) -> Cell:
    parts = [f"{formats.count(fact.in_flight)} in flight"] if fact.in_flight else []
    parts += [rate_words(fact.rate)] if fact.rate else []
    return Cell(" and ".join(parts), Grade.GOOD) if parts else Cell("none", Grade.DIM)

"""Rows of `snqd schedule list`: what is declared here, with how far it has come by the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.cli.output import time_words
from snqd.config.cron import cron_of, due_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snqd.config.schedules import Key, Schedule
    from snqd.stores.schedules import ScheduleRow

_OVERDUE_SECONDS = 5.0


class Listed(NamedTuple):
    """A schedule of a site. Times in epoch seconds; `declared_by` is empty when it is declared here."""

    name: str
    site: str
    queue: str
    cron: str
    zone: str
    words: str
    last_run: float | None
    next_run: float | None
    declared_by: str = ""


def listed(declared: Mapping[Key, Schedule], known: Sequence[ScheduleRow], now: float) -> list[Listed]:
    """By name and site. `next_run` is in the past when a due time has come and no daemon has acted on it."""
    rows = {(row.site, row.name): row for row in known}
    found = []
    for key, each in declared.items():
        row = rows.pop((key.site, key.name), None)
        is_same = row is not None and row.definition == each.definition
        last_due = row.last_due if row is not None and is_same else now
        found.append(_listed(key.name, key.site, each.queue, each.cron, each.zone, row, last_due, ""))
    for row in rows.values():
        cron, _space, zone = row.definition.rpartition(" ")
        found.append(_listed(row.name, row.site, row.queue, cron, zone, row, row.last_due, row.declared_by))
    return sorted(found, key=lambda each: (each.name, each.site))


def grouped(found: Sequence[Listed], now: float) -> Iterator[tuple[str, ...]]:
    """The cells of each line: the same schedule of several sites is one, with the latest run and the next one."""
    groups: dict[tuple[str, ...], list[Listed]] = {}
    for each in found:
        groups.setdefault((each.name, each.queue, each.cron, each.zone, each.declared_by), []).append(each)
    for group in groups.values():
        first = group[0]
        site = first.site if len(group) == 1 else f"{len(group):,} sites"
        last = max((each.last_run for each in group if each.last_run is not None), default=None)
        coming = min((each.next_run for each in group if each.next_run is not None), default=None)
        words = f"declared by {first.declared_by}" if first.declared_by else first.words
        due = time_words(coming)
        if coming is not None and coming < now - _OVERDUE_SECONDS:
            due += " overdue"
        yield first.name, site, first.queue, first.cron, first.zone, time_words(last), due, words


def _listed(
    name: str, site: str, queue: str, cron: str, zone: str, row: ScheduleRow | None, last_due: float, declared_by: str
) -> Listed:
    try:
        words, due = cron_of(cron, zone).words, due_after(cron, zone, last_due)
    except ValueError as error:  # of a daemon with other time zones
        words, due = str(error), float("inf")
    last_run = row.last_run if row is not None else None
    return Listed(name, site, queue, cron, zone, words, last_run, due if due < float("inf") else None, declared_by)

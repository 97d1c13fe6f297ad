"""How far each schedule has come: the part of a store that makes one item of each due time.

A schedule is a row with `last_due`, the newest due time that was dealt with. Whoever finds that later ones have come
moves it from there to the newest and stores the items in one transaction, with the row locked; who comes second finds
it moved, and who dies in between has done neither. Times are epoch seconds of the store's clock, which all hosts share.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.items import NewItem


class Wanted(NamedTuple):
    """A schedule as it is declared. Another `definition` than before has missed nothing until now."""

    site: str
    name: str
    queue: str
    definition: str


class ScheduleRow(NamedTuple):
    """A schedule as the store knows it. `last_run`: when it had an item last, None when it never had."""

    site: str
    name: str
    queue: str
    definition: str
    declared_by: str
    last_due: float
    last_run: float | None


class Kept(NamedTuple):
    """`now` by the store's clock, and all rows, those of other daemons too."""

    now: float
    rows: list[ScheduleRow]


class Due(NamedTuple):
    """Due times after `since` up to `due`, to be dealt with by storing `items`; none when they are passed over."""

    site: str
    name: str
    since: float
    due: float
    items: tuple[NewItem, ...]


class Fate(StrEnum):
    """What became of a `Due`."""

    TAKEN = "taken"
    """It was ours: `last_due` was `since` and is `due` now, and the items are stored."""
    BEHIND = "behind"
    """`last_due` is not `since`: another daemon was first, or the schedule is not there any more."""
    BUSY = "busy"
    """Another daemon is at it at this moment. It may die before it commits: look again soon."""


class Result(NamedTuple):
    """`stored`: how many items are; fewer than wanted when a unique key was taken. `last_due` is None if it is not
    known.
    """

    fate: Fate
    stored: int = 0
    last_due: float | None = None


class Ran(NamedTuple):
    """What became of each `Due`, in order, and the store's clock."""

    now: float
    results: list[Result]


class Differing(NamedTuple):
    """What `keep` has to write: schedules that are new or declared otherwise, and rows that are to be forgotten."""

    changed: list[Wanted]
    stale: list[ScheduleRow]


def differing(rows: Sequence[ScheduleRow], wanted: Sequence[Wanted], declared_by: str) -> Differing:
    """A row that others declared stays, and is theirs: they may have a configuration that this daemon has not."""
    known = {(row.site, row.name): row for row in rows}
    keys = {(each.site, each.name) for each in wanted}
    changed = [each for each in wanted if (row := known.get((each.site, each.name))) is None or row[:4] != each]
    return Differing(
        changed, [row for row in rows if row.declared_by == declared_by and (row.site, row.name) not in keys]
    )


def judged(due: Due, last_due: float | None) -> Fate:
    """What becomes of it when the locked row says `last_due` (None: there is none)."""
    return Fate.TAKEN if last_due == due.since else Fate.BEHIND

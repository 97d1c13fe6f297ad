"""`Cron`: a cron expression in a time zone, and the moments at which it is due.

Cronsim does the calendar. What is added: names such as `@daily`, and errors that say which field is wrong, and where.

Daylight saving is as in Debian's cron. An expression with a fixed hour and minute is due once a day: where the clock is
set forward over it, at the first moment after the gap; where it is set back, the first time only. One whose hour or
minute begins with `*`, or that has seconds, goes by elapsed time: it misses the hour that is not there and is due twice
in the one that comes twice. (Croniter 7 was tried too: a fixed time that comes twice is due twice there, and it takes
five times as long.)
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from snqd.config.values import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

DEFAULT_ZONE = "UTC"
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = (
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L for the last one, or LW for the last weekday"),
    ("month", "1 to 12, or JAN to DEC"),
    (
        "day of the week",
        "0 to 7 (0 and 7 are Sunday) or SUN to SAT, MON#2 for the second one, 5L for the last Friday",
    ),
)
_NEVER = float("inf")
_FIRST_WINDOW_SECONDS = 60.0
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Cron:
    """Raises `ValueError` in words that end the sentence "cron is EXPRESSION: …"."""

    def __init__(self, expression: str, zone: str = DEFAULT_ZONE) -> None:
        self.expression = expression
        self.zone = zone
        self._plain = NICKNAMES.get(expression.strip().lower(), expression)
        self._zone = find_zone(zone)
        _check(expression, self._plain)

    @property
    def words(self) -> str:
        """In English, such as `At 03:00 every day`."""
        return self._simulated(0.0).explain()

    def after(self, moment: float) -> float:
        """The first due time after `moment`, both in epoch seconds; infinite when there is none within 50 years."""
        return next(self._due_times(moment), _NEVER)

    def newest(self, after: float, until: float) -> float | None:
        """The last due time after `after` and not after `until`. Takes the same time however far they are apart."""
        window = _FIRST_WINDOW_SECONDS
        begin = max(after, until - window)
        while (due := self.after(begin)) > until:
            if begin <= after:
                return None
            window *= 4
            begin = max(after, until - window)
        for later in self._due_times(due):
            if later > until:
                break
            due = later
        return due

    def between(self, after: float, until: float) -> Iterator[float]:
        """The due times after `after` and not after `until`, in order."""
        for due in self._due_times(after):
            if due > until:
                return
            yield due

    def local(self, moment: float) -> datetime:
        """`moment` as clocks of the zone show it."""
        return datetime.fromtimestamp(moment, self._zone)

    def _due_times(self, moment: float) -> Iterator[float]:
        for due in self._simulated(moment):
            seconds = due.timestamp()
            if seconds > moment:  # within an hour that is there twice, cronsim begins with the first of the two
                yield seconds

    def _simulated(self, moment: float) -> CronSim:
        return CronSim(self._plain, datetime.fromtimestamp(moment, self._zone))


@lru_cache(maxsize=4096)
def cron_of(expression: str, zone: str) -> Cron:
    """Remembers: thousands of sites have the same few schedules."""
    return Cron(expression, zone)


@lru_cache(maxsize=4096)
def due_after(expression: str, zone: str, moment: float) -> float:
    """`Cron.after`, remembered likewise."""
    return cron_of(expression, zone).after(moment)


def find_zone(name: str) -> tzinfo:
    """The time zone. Raises `ValueError` in words that end the sentence "zone is NAME: …"."""
    if name == DEFAULT_ZONE:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    known = sorted(zoneinfo.available_timezones())
    alike = (zone for zone in known if name and zone.lower().split("/")[-1] == name.lower().split("/")[-1])
    guess = next(alike, None) or nearest(name, known)
    hint = f"did you mean {guess!r}?" if guess else "zones are named as in 'Europe/Berlin'"
    raise ValueError(f"no such time zone: {hint}")


def _check(expression: str, plain: str) -> None:
    if plain is not expression:
        return
    if plain.lstrip().startswith("@"):
        raise ValueError(f"no such name: those that are known are {', '.join(NICKNAMES)}")
    parts = plain.split()
    if len(parts) not in (5, 6):
        raise ValueError(
            f"it has {len(parts)} {'field' if len(parts) == 1 else 'fields'}, and needs 5: minute, hour, day of the "
            "month, month, day of the week (6 with seconds in front)"
        )
    column = 0
    for number, part in enumerate(parts):
        column = expression.index(part, column)
        _check_field(number, part, column, has_seconds=len(parts) == 6)
        column += len(part)
    try:
        is_ever_due = next(CronSim(plain, _EPOCH), None) is not None
    except CronSimError:
        is_ever_due = False
    if not is_ever_due:
        raise ValueError("it is never due: no such month has so many days")


def _check_field(number: int, part: str, column: int, *, has_seconds: bool) -> None:
    """`column` counts from 0."""
    for term in part.split(","):
        if not _is_field(number, term, has_seconds=has_seconds):
            name, range_ = _FIELDS[number + (not has_seconds)]
            where = f"{name} (field {number + 1}, column {column + 1})"
            raise ValueError(f"the {where} is {term!r}: {_hint(term) or f'must be {range_}; or *, lists, a-b, */step'}")
        column += len(term) + 1


def _is_field(number: int, term: str, *, has_seconds: bool) -> bool:
    """Whether one field may be `term`, found out by leaving the others open."""
    fields = ["*"] * (6 if has_seconds else 5)
    fields[number] = term
    try:
        CronSim(" ".join(fields), _EPOCH)
    except CronSimError:
        return False
    return True


def _hint(term: str) -> str:
    range_, slash, step = term.partition("/")
    if slash and not (step.isdecimal() and int(step)):
        return "after the slash there must be a number of at least 1"
    first, dash, last = range_.partition("-")
    if dash and first.isdecimal() and last.isdecimal() and int(first) > int(last):
        return f"a range goes from the lower to the higher: write {first}-…,…-{last} as two"
    return "there is nothing between two commas" if not term else ""

"""The scheduler: stores the items of schedules that are due, and tells which due times were missed.

It belongs to the care of the store, so it is where the watch is: one worker of each daemon, and another one at once
when that one dies. Daemons do not speak with each other about it: the store lets one of them have each due time
(`snqd.stores.schedules`). Between two due times it costs nothing but its place among the times at which care is due.

The store's clock decides, read with each look at the store and carried on by the monotonic clock.
"""

from __future__ import annotations

import heapq
import socket
import time
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from snqd.config.cron import cron_of, due_after
from snqd.config.schedules import Key
from snqd.errors import BadItem
from snqd.stores.schedules import Due, Fate, Wanted
from snqd.worker.schedule_events import Told, told_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.config.schedules import Schedule
    from snqd.stores.schedules import Result
    from snqd.worker.parts import Parts

_NEVER = float("inf")
_BATCH = 200
"""Schedules that one transaction deals with: some ten milliseconds, between two exchanges of the worker."""
_MOST_ON_TIME = 100
"""Due times of one schedule in one transaction; there are as many only with seconds in the expression."""
_MOST_COUNTED = 1000
"""Of more missed due times it is not said how many there are."""
_BUSY_SECONDS = 1.0
"""After that long a schedule is looked at again that another daemon was at."""
_CLOCKS_APART_SECONDS = 0.5


class Turn(NamedTuple):
    """What is to be done for one schedule."""

    due: float
    """The newest due time that has come."""
    on_time: tuple[float, ...]
    """Due times that get an item of their own."""
    missed: int = 0
    first_missed: float = 0.0
    last_missed: float = 0.0
    is_made_up: bool = False
    """One item is stored for all that were missed."""


def turn_of(schedule: Schedule, last_due: float, clock: float) -> Turn | None:
    """Decide about the due times after `last_due` that have come by `clock`; None when there are none.

    When a later time gets its item anyway, that one makes up for what was missed before.
    """
    return _turn(schedule.cron, schedule.zone, schedule.missed, schedule.missed_after_seconds, last_due, clock)


@lru_cache(maxsize=64)
def _turn(cron: str, zone: str, missed: str, missed_after_seconds: float, last_due: float, clock: float) -> Turn | None:
    """Remembered: thousands of sites are due together, and calendars are dear."""
    due_times = cron_of(cron, zone)
    missed_until = max(last_due, clock - missed_after_seconds)
    on_time = tuple(islice(due_times.between(missed_until, clock), _MOST_ON_TIME))
    last_missed = due_times.newest(last_due, missed_until)
    if last_missed is None:
        return Turn(on_time[-1], on_time) if on_time else None
    count = sum(1 for _due in islice(due_times.between(last_due, missed_until), _MOST_COUNTED))
    first_missed = due_times.after(last_due)
    if on_time:
        return Turn(on_time[-1], on_time, count, first_missed, last_missed)
    return Turn(last_missed, (), count, first_missed, last_missed, missed == "once")


class Scheduler:
    """Used by the store's thread only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._name = f"{parts.config.daemon.name}@{socket.gethostname()}"
        self._frame_limit = parts.config.store.frame_limit_bytes
        self._is_wanted = parts.errand is None  # who only empties the queues adds nothing to them
        self._schedules: Mapping[Key, Schedule] = {}
        self._last_due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._sites_version = -1
        self._clock_offset = 0.0
        self._clocks_apart = 0.0
        self._is_kept = False
        self.next_at = _NEVER
        """When something is to be done, by the monotonic clock."""

    def begin(self) -> None:
        """This worker has the watch from now on, or the store again."""
        self._is_kept = False
        self.next_at = 0.0 if self._is_wanted else _NEVER

    def end(self) -> None:
        """Somebody else may have the watch."""
        self.next_at = _NEVER

    def look(self) -> None:
        """Begin anew when sites have changed, or when a clock was set or the machine slept."""
        apart = time.time() - time.monotonic()
        is_set = abs(apart - self._clocks_apart) > _CLOCKS_APART_SECONDS
        if is_set or self._parts.sites.current_version() != self._sites_version:
            self.begin()

    def do(self) -> bool:
        """Deal with what is due, one batch of it; whether items were stored."""
        if not self._is_wanted:
            return False
        if not self._is_kept:
            self._keep()
        clock = time.monotonic() + self._clock_offset
        turns: dict[Key, Turn] = {}
        while self._heap and self._heap[0][0] <= clock and len(turns) < _BATCH:
            _due, key = heapq.heappop(self._heap)
            turn = turn_of(self._schedules[key], self._last_due[key], clock)
            if turn is None:  # the store's clock was set back
                self._expect(key)
            else:
                turns[key] = turn
        is_stored = self._run(turns) if turns else False
        self.next_at = self._heap[0][0] - self._clock_offset + 0.001 if self._heap else _NEVER
        if not self._is_kept:
            self.next_at = time.monotonic() + _BUSY_SECONDS
        return is_stored

    def _keep(self) -> None:
        """Tell the store which schedules there are, and learn how far each has come."""
        self._sites_version = self._parts.sites.current_version()
        self._schedules = self._parts.sites.schedules()
        wanted = [Wanted(*key, each.queue, each.definition) for key, each in self._schedules.items()]
        now, rows = self._store.keep_schedules(wanted, self._name)
        self._clock_offset = now - time.monotonic()
        self._clocks_apart = time.time() - time.monotonic()
        self._last_due = {key: row.last_due for row in rows if (key := Key(row.site, row.name)) in self._schedules}
        self._heap = []
        for key in self._last_due:
            self._expect(key)
        self._is_kept = True

    def _expect(self, key: Key) -> None:
        schedule = self._schedules[key]
        heapq.heappush(self._heap, (due_after(schedule.cron, schedule.zone, self._last_due[key]), key))

    def _run(self, turns: Mapping[Key, Turn]) -> bool:
        refused: dict[Key, str] = {}
        dues = [self._due(key, turn, refused) for key, turn in turns.items()]
        now, results = self._store.run_schedules(dues, self._name)
        self._clock_offset = now - time.monotonic()
        told: list[Told] = []
        for (key, turn), result in zip(turns.items(), results, strict=True):
            if result.fate is Fate.TAKEN:
                told.append(Told(self._schedules[key], turn, result.stored, refused.get(key, "")))
            self._follow(key, result)
        for event in told_events(self._parts.worker, told):
            self._parts.emit(event)
        return any(result.stored for result in results)

    def _due(self, key: Key, turn: Turn, refused: dict[Key, str]) -> Due:
        schedule = self._schedules[key]
        times = turn.on_time or ((turn.last_missed,) if turn.is_made_up else ())
        try:
            items = tuple(
                schedule.item(each, is_late=turn.is_made_up, frame_limit_bytes=self._frame_limit) for each in times
            )
        except BadItem as error:  # found where there is nobody to correct it: the next schedule is not to blame
            refused[key] = str(error)
            items = ()
        return Due(*key, self._last_due[key], turn.due, items)

    def _follow(self, key: Key, result: Result) -> None:
        """Go on from what became of a due time."""
        if result.fate is Fate.BUSY:
            heapq.heappush(self._heap, (time.monotonic() + self._clock_offset + _BUSY_SECONDS, key))
        elif result.last_due is None:  # somebody has forgotten it: we have not
            self._is_kept = False
        else:
            self._last_due[key] = result.last_due
            self._expect(key)

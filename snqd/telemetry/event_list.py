"""`EventList`: the latest events of one daemon, in order, each once however often it is told."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.telemetry.facts import EventFact
    from snqd.telemetry.tables import Budget


class EventList:
    """Numbers start again with each sender; the events of earlier ones stay in front until they are pushed out."""

    __slots__ = ("_begins", "_budget", "_floor", "_limit", "_numbers", "events", "taken")

    def __init__(self, limit: int, budget: Budget) -> None:
        self.events: list[EventFact] = []
        self.taken = 0
        """How many different events came, those that were pushed out with them."""
        self._numbers: list[int] = []  # of the present sender, in the order of `events[_begins:]`
        self._begins = 0
        self._floor = -1  # the highest number of the present sender that was pushed out
        self._limit = limit
        self._budget = budget

    def begin_sender(self) -> None:
        self._begins, self._floor = len(self.events), -1
        self._numbers.clear()

    def put(self, fact: EventFact) -> bool:
        """Take an event in unless it is here or was. False = full, and not even an older one could make room."""
        number, numbers = fact.number, self._numbers
        if number <= self._floor:
            return True
        at = bisect_left(numbers, number) if numbers and number <= numbers[-1] else len(numbers)
        if at < len(numbers) and numbers[at] == number:
            return True
        if len(self.events) >= self._limit or not self._budget.take():
            if not self.events:
                return False
            if not self._begins and at == 0:  # older than all that is here
                return True
            at -= self._push_out()
            self._budget.take()
        numbers.insert(at, number)
        self.events.insert(self._begins + at, fact)
        self.taken += 1
        return True

    def clear(self) -> None:
        self._budget.give_back(len(self.events))
        self.events.clear()
        self.begin_sender()

    def _push_out(self) -> int:
        """Forget the first event. Returns how many of the present sender's went: 0 or 1."""
        del self.events[0]
        self._budget.give_back(1)
        if self._begins:
            self._begins -= 1
            return 0
        self._floor = self._numbers.pop(0)
        return 1

"""`EventRow`: something that happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.cells import Grade
from snqmon.model.formats import one_line
from snqmon.model.thresholds import EVENT_LEVELS

if TYPE_CHECKING:
    from snqd.telemetry.facts import EventFact
    from snqmon.model.columns import Key

_TEXTS = ("traceback", "stack")


class EventRow:
    def __init__(self, daemon: str, fact: EventFact) -> None:
        self.daemon = daemon
        self.fact = fact

    @property
    def key(self) -> Key:
        """Numbers begin again with each hub process."""
        return (self.daemon, f"{self.fact.at:.6f}", str(self.fact.number))

    @property
    def at(self) -> float:
        """Epoch seconds by the daemon's clock."""
        return self.fact.at

    @property
    def level(self) -> str:
        return self.fact.level

    @property
    def name(self) -> str:
        return self.fact.name

    @property
    def message(self) -> str:
        return one_line(self.fact.message)

    @property
    def queue(self) -> str:
        return self._field("queue")

    @property
    def site(self) -> str:
        return self._field("site")

    @property
    def worker(self) -> str:
        return self._field("worker")

    @property
    def item(self) -> int | None:
        found = self.fact.fields.get("item")
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @property
    def lines(self) -> str:
        """A traceback or the stack of a worker; empty = there is none."""
        return next((str(self.fact.fields[name]) for name in _TEXTS if self.fact.fields.get(name)), "")

    @property
    def text(self) -> str:
        return f"{self.name} {self.level} {self.message} {self.queue} {self.site} {self.worker} {self.daemon}"

    @property
    def grade(self) -> Grade:
        return EVENT_LEVELS.get(self.fact.level, Grade.GOOD)

    def _field(self, name: str) -> str:
        found = self.fact.fields.get(name)
        return "" if found is None else str(found)

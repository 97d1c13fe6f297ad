"""`AlarmRow`: an alarm of a daemon, raised or just cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.health import CRITICAL_ALARMS
from snqmon.model.cells import Grade
from snqmon.model.formats import one_line

if TYPE_CHECKING:
    from snqd.telemetry.facts import AlarmFact
    from snqmon.model.columns import Key
    from snqmon.model.moment import Moment


class AlarmRow:
    def __init__(self, moment: Moment, fact: AlarmFact) -> None:
        self.moment = moment
        self.fact = fact

    @property
    def key(self) -> Key:
        return (self.moment.key, self.fact.name, self.fact.subject)

    @property
    def daemon(self) -> str:
        return self.moment.key

    @property
    def name(self) -> str:
        return self.fact.name

    @property
    def subject(self) -> str:
        """A queue, a worker, the daemon or the store."""
        return self.fact.subject

    @property
    def is_raised(self) -> bool:
        return self.fact.is_raised

    @property
    def since_seconds(self) -> float | None:
        """How long it has been raised, or cleared."""
        return self.moment.age(self.fact.since)

    @property
    def value(self) -> float:
        """In the unit of the threshold."""
        return self.fact.value

    @property
    def threshold(self) -> float:
        return self.fact.threshold

    @property
    def message(self) -> str:
        return one_line(self.fact.message)

    @property
    def text(self) -> str:
        return f"{self.name} {self.subject} {self.message} {self.daemon} {'raised' if self.is_raised else 'cleared'}"

    @property
    def grade(self) -> Grade:
        if not self.is_raised:
            return Grade.DIM
        return Grade.ACT if self.name in CRITICAL_ALARMS else Grade.LOOK

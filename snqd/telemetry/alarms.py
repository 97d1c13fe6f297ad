"""Alarms: what is judged is a figure against its threshold, and a figure that flaps does not make an alarm flap.

An alarm is raised when its figure reaches the threshold. It is cleared when the figure has been below `clear_share` of
the threshold for `hold_seconds`, and when it has been raised for at least as long. Two changes of one alarm are never
closer together than `hold_seconds`, whatever the figure does. What an alarm is about may vanish (a queue, a slot): that
counts as a good figure. Figures that cannot be known now, as those of a store that does not answer, change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.alarm_words import good_again
from snqd.telemetry.facts import AlarmFact
from snqd.telemetry.figures import Figure, Figures

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.rules import AlarmRules

_KEEP_CLEARED_SECONDS = 60.0
"""A cleared alarm is told for this long: every receiver shall hear that it is over."""


class Latch:
    """The state of one alarm. `strain` is its figure in units of its threshold: 1 and more is bad."""

    __slots__ = ("_good_since", "changed_at", "is_raised")

    def __init__(self) -> None:
        self.is_raised = False
        self.changed_at: float | None = None
        self._good_since: float | None = None

    def step(self, strain: float, now: float, *, clear_share: float, hold_seconds: float) -> bool:
        """Whether the alarm has changed. `now` never goes back."""
        if not self.is_raised:
            return strain >= 1.0 and self._may_change(now, hold_seconds) and self._change(now)
        if not strain < clear_share:
            self._good_since = None
            return False
        if self._good_since is None:
            self._good_since = now
        is_lasting = now - self._good_since >= hold_seconds
        return is_lasting and self._may_change(now, hold_seconds) and self._change(now)

    def doubt(self) -> None:
        """The figure is not known now: what follows does not continue a good time."""
        self._good_since = None

    def _may_change(self, now: float, hold_seconds: float) -> bool:
        return self.changed_at is None or now - self.changed_at >= hold_seconds

    def _change(self, now: float) -> bool:
        self.is_raised = not self.is_raised
        self.changed_at, self._good_since = now, None
        return True


class _Alarm:
    """A latch, and what is told of it."""

    __slots__ = ("fact", "latch", "look")

    def __init__(self) -> None:
        self.latch = Latch()
        self.fact: AlarmFact | None = None
        self.look = 0
        """The last look at which it had a figure."""


class Alarms:
    """The alarms of one daemon. Pure, but for what it remembers; give it a look once a second.

    The time that it counts is the sum of the steps forward of `now`: a clock that is set back delays nothing.
    """

    def __init__(self, rules: AlarmRules) -> None:
        self.rules = rules
        """May be replaced at any time: an alarm that is off now is cleared."""
        self.figures = Figures()
        """What they are judged by."""
        self._alarms: dict[tuple[str, str], _Alarm] = {}
        self._last: float | None = None
        self._elapsed = 0.0
        self._look = 0

    def judge(self, view: DaemonView, now: float) -> list[AlarmFact]:
        """What was raised or cleared since the last look. `now`: epoch seconds by the clock of the daemon."""
        self._elapsed += 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        self._look += 1
        found = self.figures.of(view, self.rules, now=now, elapsed=self._elapsed)
        changes = [fact for figure in found.figures if (fact := self._weigh(figure, now)) is not None]
        changes += self._weigh_absent(found.unknown, now)
        return changes

    def facts(self) -> list[AlarmFact]:
        """Every alarm that is raised, with its figure as it is now, and those that were cleared a short while ago."""
        return [alarm.fact for alarm in self._alarms.values() if alarm.fact is not None]

    def _weigh(self, figure: Figure, now: float) -> AlarmFact | None:
        key = (figure.name, figure.subject)
        alarm = self._alarms.get(key)
        if alarm is None:
            if not figure.strain >= 1.0:
                return None
            alarm = self._alarms[key] = _Alarm()
        alarm.look = self._look
        has_changed = self._step(alarm, figure.strain)
        if has_changed or alarm.latch.is_raised:
            since = now if has_changed or alarm.fact is None else alarm.fact.since
            alarm.fact = _fact(figure, since=since, is_raised=alarm.latch.is_raised)
        return alarm.fact if has_changed else None

    def _weigh_absent(self, unknown: frozenset[str], now: float) -> list[AlarmFact]:
        """Alarms without a figure: cleared in time, and forgotten when that has been told."""
        changes: list[AlarmFact] = []
        for key, alarm in list(self._alarms.items()):
            if alarm.look != self._look:
                if key[0] in unknown:
                    alarm.latch.doubt()
                elif self._step(alarm, 0.0):
                    alarm.fact = _gone(alarm.fact, since=now)
                    changes += [alarm.fact] if alarm.fact is not None else []
            if self._is_over(alarm):
                del self._alarms[key]
        return changes

    def _step(self, alarm: _Alarm, strain: float) -> bool:
        rules = self.rules
        return alarm.latch.step(strain, self._elapsed, clear_share=rules.clear_share, hold_seconds=rules.hold_seconds)

    def _is_over(self, alarm: _Alarm) -> bool:
        changed_at = alarm.latch.changed_at
        kept = max(_KEEP_CLEARED_SECONDS, self.rules.hold_seconds)
        return not alarm.latch.is_raised and (changed_at is None or self._elapsed - changed_at > kept)


def _fact(figure: Figure, *, since: float, is_raised: bool) -> AlarmFact:
    return AlarmFact(
        name=figure.name,
        subject=figure.subject,
        is_raised=is_raised,
        since=since,
        value=round(figure.value, 3),
        threshold=figure.threshold,
        message=figure.words() if is_raised else good_again(figure.name, figure.subject, figure.value),
    )


def _gone(fact: AlarmFact | None, *, since: float) -> AlarmFact | None:
    if fact is None:
        return None
    return AlarmFact(
        name=fact.name,
        subject=fact.subject,
        is_raised=False,
        since=since,
        value=-1.0 if fact.name == "memory" else 0.0,
        threshold=fact.threshold,
        message=good_again(fact.name, fact.subject, None),
    )

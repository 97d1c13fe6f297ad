"""When to ask a probe what: often while something moves, seldom when nothing does, and never at much cost.

A question comes again after `SHARE` times as long as its answers take, so that each costs a four-hundredth of the
time. What a thread waits for a processor costs nobody anything and does not count: on a busy machine, figures would
grow old for a minute just when they are looked at. The middle one of the last three counts: a single answer that had
to wait for something says nothing of the next. From the first, which a machine gives that is busy with starting a
daemon, nothing is concluded, and of two the quicker one counts. A question does not come before its least interval,
which is longer while nothing moves, so that an idle daemon spends next to nothing; nor later than its longest: that of
`lags` keeps its figure younger than two seconds. Pure: times are monotonic seconds and come from the caller.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

Question = Literal["lags", "depths", "health", "schedules"]

SHARE = 400
_ANSWERS = 3


class Interval(NamedTuple):
    """Seconds from the beginning of a question to its next: least, least when nothing moves, longest."""

    busy: float
    idle: float
    longest: float


INTERVALS: dict[Question, Interval] = {
    "lags": Interval(1.0, 1.8, 1.8),
    "depths": Interval(1.0, 5.0, 60.0),
    "health": Interval(15.0, 60.0, 60.0),
    "schedules": Interval(5.0, 15.0, 60.0),
}


class Turn(NamedTuple):
    """What to ask next, and in how many seconds; 0.0 is now."""

    question: Question
    in_seconds: float


class ProbePace:
    """Call `next`, wait, ask, and tell with `asked`. `least_seconds`: no question comes more often than that."""

    def __init__(self, least_seconds: float = 0.0) -> None:
        self._least = least_seconds
        self._due: dict[Question, float] = dict.fromkeys(INTERVALS, float("-inf"))
        self._took: dict[Question, deque[float]] = {question: deque(maxlen=_ANSWERS) for question in INTERVALS}

    def next(self, now: float) -> Turn:
        question = min(self._due, key=lambda each: self._due[each])  # the longest overdue: none is starved
        return Turn(question, max(0.0, self._due[question] - now))

    def asked(
        self, question: Question, began: float, ended: float, *, kept_seconds: float = 0.0, is_idle: bool = False
    ) -> None:
        """`kept_seconds`: of these, who asked waited for a processor. `is_idle`: nothing has moved lately."""
        interval = INTERVALS[question]
        least = max(interval.idle if is_idle else interval.busy, self._least)
        took = self._took[question]
        took.append(max(0.0, ended - began - kept_seconds))
        usual = sorted(took)[(len(took) - 1) // 2] if len(took) > 1 else 0.0
        wait = max(least, min(usual * SHARE, interval.longest))
        self._due[question] = max(began + wait, ended)

    def hurry(self) -> None:
        """Something begins to move: lag and depths are due."""
        self._due["lags"] = self._due["depths"] = float("-inf")

    def hold(self, until: float) -> None:
        """Ask nothing before that moment."""
        self._due = dict.fromkeys(INTERVALS, until)

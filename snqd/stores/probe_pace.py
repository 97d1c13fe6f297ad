"""When to ask a probe what: as often as it costs at most a hundredth of one processor, whatever the answers cost.

A question comes again after `SHARE` times as long as its last answer took. It does not come before its least interval,
so that an idle daemon spends next to nothing, nor later than its longest: that of `lags` keeps its figure younger than
two seconds. Pure: times are monotonic seconds and come from the caller.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Question = Literal["lags", "depths", "health"]

SHARE = 400
INTERVALS: dict[Question, tuple[float, float]] = {"lags": (1.0, 1.8), "depths": (5.0, 60.0), "health": (15.0, 60.0)}
"""Least and longest seconds from the beginning of a question to its next."""


class Turn(NamedTuple):
    """What to ask next, and in how many seconds; 0.0 is now."""

    question: Question
    in_seconds: float


class ProbePace:
    """Call `next`, wait, ask, and tell with `asked`, also of a question that failed."""

    def __init__(self) -> None:
        self._due: dict[Question, float] = dict.fromkeys(INTERVALS, float("-inf"))

    def next(self, now: float) -> Turn:
        question = min(self._due, key=lambda each: self._due[each])  # the longest overdue: none is starved
        return Turn(question, max(0.0, self._due[question] - now))

    def asked(self, question: Question, began: float, ended: float) -> None:
        least, longest = INTERVALS[question]
        wait = min(max(least, (ended - began) * SHARE), longest)
        self._due[question] = max(began + wait, ended)

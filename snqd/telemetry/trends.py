"""Rates over the last seconds or minutes, from counters that only grow and begin again when the daemon does."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final

FINE: Final = (1.0, 120.0)
"""Step and length, in seconds, of what is remembered closely."""
COARSE: Final = (10.0, 1200.0)


class Trend:
    """The course of one counter, in bounded memory: second by second for 2 minutes, ten by ten for 20.

    A counter that is lower than before has begun again (the daemon was booted anew): what it shows then is what was
    added since.
    """

    __slots__ = ("_coarse", "_fine", "_grown", "_life", "_value")

    def __init__(self) -> None:
        self._fine = _Steps(*FINE)
        self._coarse = _Steps(*COARSE)
        self._value: float | None = None
        self._life = 0
        self._grown = 0.0

    def note(self, at: float, value: float, life: int = 0) -> None:
        """Note the counter at a time, in seconds by a clock that does not go back (earlier times are passed over).

        `life`: the daemon's boot. Another one says that the counter began again, even if it is already higher.
        """
        if self._value is not None:
            began_again = value < self._value or life != self._life
            self._grown += value if began_again else value - self._value
        self._value, self._life = value, life
        self._fine.note(at, self._grown)
        self._coarse.note(at, self._grown)

    def increase(self, seconds: float) -> float | None:
        """What was added over the last `seconds`, or since the first note if that is later; None before the second."""
        found = self._span(seconds)
        return None if found is None else found[1]

    def rate(self, seconds: float) -> float | None:
        """What was added per second, over the same time."""
        found = self._span(seconds)
        return None if found is None else found[1] / found[0]

    def recent(self, count: int, step: float = FINE[0]) -> list[float | None]:
        """The rates of the last `count` steps of `step` seconds, oldest first; None = nothing was noted then."""
        steps = self._steps(count * step)
        if not steps.times:
            return [None] * count
        end = steps.times[-1]
        return [steps.rate_between(end - (back + 1) * step, end - back * step) for back in reversed(range(count))]

    def _steps(self, seconds: float) -> _Steps:
        return self._fine if seconds <= FINE[1] else self._coarse

    def _span(self, seconds: float) -> tuple[float, float] | None:
        """How long, and how much."""
        steps = self._steps(seconds)
        if len(steps.times) < 2:
            steps = self._fine
        if len(steps.times) < 2:
            return None
        first = max(0, bisect_right(steps.times, steps.times[-1] - seconds) - 1)
        first = min(first, len(steps.times) - 2)
        return steps.times[-1] - steps.times[first], steps.values[-1] - steps.values[first]


class _Steps:
    """Notes at least a step apart, the last one excepted: it moves until a step has passed."""

    __slots__ = ("_limit", "_step", "times", "values")

    def __init__(self, step: float, length: float) -> None:
        self._step = step
        self._limit = round(length / step) + 1
        self.times: deque[float] = deque()
        self.values: deque[float] = deque()

    def note(self, at: float, value: float) -> None:
        times, values = self.times, self.values
        if times and at <= times[-1]:
            return
        if len(times) >= 2 and at - times[-2] <= self._step:
            times.pop()
            values.pop()
        times.append(at)
        values.append(value)
        if len(times) > self._limit:
            times.popleft()
            values.popleft()

    def rate_between(self, begin: float, end: float) -> float | None:
        """None unless something was noted in the step (begin, end], and something before its end to compare with."""
        last = bisect_right(self.times, end) - 1
        if last < 1 or self.times[last] <= begin:
            return None
        first = bisect_right(self.times, begin) - 1
        first = min(max(first, 0), last - 1)
        return (self.values[last] - self.values[first]) / (self.times[last] - self.times[first])

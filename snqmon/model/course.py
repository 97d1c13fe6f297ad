"""`Courses`: how some figures of one thing went over the last 1, 5 and 15 minutes, in bounded memory.

The axis of time is fixed: 60 steps of 1, 5 or 15 seconds, each of which begins at a multiple of its length. What is not
known of a step is NaN, and is drawn as a gap: telemetry that was lost is no zero.

A figure is noted for a span of time, as a rule since the last note, and holds for every step that the span touches but
the last, which is still going on. So a source whose datagrams come a little less than once a second leaves no gaps, and
a rate or a percentile is right for as many steps as it was measured over.
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STEPS: Final = 60
"""Steps of each axis."""


class Span(IntEnum):
    """Minutes that an axis covers."""

    ONE = 1
    FIVE = 5
    FIFTEEN = 15

    @property
    def step_seconds(self) -> int:
        """One of the 60 steps."""
        return self.value

    @property
    def words(self) -> str:
        return f"{self.value} min"


class Fold(IntEnum):
    """What the figures of several seconds are together."""

    HIGHEST = 0
    """Of a lag, a depth, a percentile: the worst must not vanish."""
    MEAN = 1
    """Of a rate."""


_Figure = tuple[int, Fold, float]
"""The place of a figure, how it is folded, and a value that is known."""


class _Axis:
    """The values of all figures at one step length: `STEPS` in a row for each, used as a ring."""

    __slots__ = ("_blank", "end", "step", "values", "weights")

    def __init__(self, figures: int, step: int) -> None:
        self.step = step
        """Seconds."""
        self.end = -1
        """The last step that something was noted for, counted from the clock's begin; -1 = none yet."""
        self.values = array("f", [nan]) * (STEPS * figures)
        self.weights = array("f", [0.0]) * figures
        """Seconds that are in the values of the last step: what a mean needs."""
        self._blank = array("f", [nan]) * figures

    def reach(self, step: int) -> None:
        """Go on to a step: those between are not known."""
        for each in range(max(self.end + 1, step - STEPS + 1), step + 1):
            self.values[each % STEPS :: STEPS] = self._blank
        self.end = step
        self.weights = array("f", [0.0]) * len(self.weights)

    def note(self, first: int, last: int, figures: Iterable[_Figure]) -> None:
        """These figures held from the second `first` to `last`, both included."""
        length = self.step
        final = last // length
        for step in range(max(first // length, final - STEPS + 1), final + 1):
            if step > self.end:
                self.reach(step)
            elif step <= self.end - STEPS:
                continue
            seconds = min(last, step * length + length - 1) - max(first, step * length) + 1
            self._put(step, seconds, figures)

    def _put(self, step: int, seconds: int, figures: Iterable[_Figure]) -> None:
        """Fold values that held for some `seconds` of a step into it."""
        values, weights = self.values, self.weights
        is_last = step == self.end
        for place, fold, value in figures:
            at = place * STEPS + step % STEPS
            known = values[at]
            if isnan(known):
                values[at] = value
            elif fold is Fold.HIGHEST:
                if value > known:
                    values[at] = value
            else:
                before = weights[place] if is_last else self.step - seconds
                values[at] = known + (value - known) * seconds / max(seconds, before + seconds)
            if is_last:
                weights[place] += seconds


class Courses:
    """The courses of several figures, each known by its name."""

    __slots__ = ("_axes", "_figures", "peaks")

    def __init__(self, figures: Sequence[tuple[str, Fold]]) -> None:
        self._figures = {name: (place, fold) for place, (name, fold) in enumerate(figures)}
        self._axes = tuple(_Axis(len(figures), span.step_seconds) for span in Span)
        self.peaks: dict[str, float] = {}
        """The highest value of each figure since `reset_peaks`."""

    @property
    def figures(self) -> tuple[str, ...]:
        return tuple(self._figures)

    def note(self, begin: float, end: float, values: Mapping[str, float]) -> None:
        """These figures held from `begin` to `end` (seconds by a clock that does not go back); NaN = not known.

        The second of `end` is not over and is left to the next note; nothing is noted while `begin` is in it too.
        """
        first, last = int(begin), int(end) - 1
        if last < first:
            return
        figures = []
        for name, value in values.items():
            if not isnan(value):
                figures.append((*self._figures[name], value))
                if value > self.peaks.get(name, -inf):
                    self.peaks[name] = value
        for axis in self._axes:
            axis.note(first, last, figures)

    def values(self, name: str, span: Span, now: float) -> list[float]:
        """60 values, the newest last; NaN = not known.

        The axis ends with the last step that is whole, or the one before while its figures are on their way.
        """
        axis, (figure, _fold) = self._axes[_PLACES[span]], self._figures[name]
        if axis.end < 0:
            return [nan] * STEPS
        end = max(axis.end, int(now) // axis.step - 2)
        known = axis.values[figure * STEPS : (figure + 1) * STEPS]
        oldest = axis.end - STEPS
        return [known[step % STEPS] if oldest < step <= axis.end else nan for step in range(end - STEPS + 1, end + 1)]

    def latest(self, name: str) -> float:
        """The newest value; NaN = not known."""
        axis, (figure, _fold) = self._axes[0], self._figures[name]
        return axis.values[figure * STEPS + axis.end % STEPS] if axis.end >= 0 else nan

    def reset_peaks(self) -> None:
        self.peaks.clear()


_PLACES: Final = {span: place for place, span in enumerate(Span)}

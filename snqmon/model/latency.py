"""`Latency`: percentiles of how long items waited and ran lately, from histograms that only grow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.telemetry.histogram import quantiles, since

if TYPE_CHECKING:
    from snqd.telemetry.histogram import Sparse

SECONDS: Final = 60.0
_SHARES: Final = (0.5, 0.95, 0.99)
_STEP_SECONDS: Final = 5.0


class Percentiles(NamedTuple):
    """Seconds below which so many of the items stayed; None = there were no items."""

    p50: float | None
    p95: float | None
    p99: float | None

    @property
    def is_known(self) -> bool:
        return self.p50 is not None


NOTHING: Final = Percentiles(None, None, None)


def percentiles(histogram: Sparse) -> Percentiles:
    found = quantiles(histogram, _SHARES)
    return Percentiles(*found) if found else NOTHING


class Latency:
    """One histogram, noted again and again. `minute` is of the last minute, `ever` since the daemon's boot."""

    __slots__ = ("_last", "_notes", "ever", "minute")

    def __init__(self) -> None:
        self.ever = self.minute = NOTHING
        self._last: Sparse | None = None
        self._notes: deque[tuple[float, Sparse]] = deque()

    def note(self, at: float, histogram: Sparse) -> Percentiles:
        """The percentiles of what came since the last note. `at`: seconds by a clock that does not go back."""
        step = NOTHING
        if self._last is not None and histogram is not self._last:
            step = percentiles(since(histogram, self._last))
        if histogram is not self._last:
            self.ever = percentiles(histogram)
            self._last = histogram
        notes = self._notes
        if not notes or at - notes[-1][0] >= _STEP_SECONDS:
            notes.append((at, histogram))
        while len(notes) > 1 and notes[1][0] <= at - SECONDS:
            notes.popleft()
        self.minute = percentiles(since(histogram, notes[0][1]))
        return step

    def begin_anew(self) -> None:
        """The daemon was booted anew: its histograms are empty."""
        self._notes.clear()
        self._last, self.minute = None, NOTHING

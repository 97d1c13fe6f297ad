"""Time that a test holds against a promise.

"Within a second" is promised of a machine that has a processor to give. Where others want all of it, as processes that
run tests side by side do, a second of the clock is none of the program's. The kernel counts the time in which somebody
waited for a processor; it is left out, so that a promise is held to the letter on a quiet machine, and what the machine
does is no failure on a busy one.
"""

from __future__ import annotations

import time
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")


class Stopwatch:
    """Runs from when it is made. `began` is by the monotonic clock."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._hindered_before = _hindered()

    @property
    def seconds(self) -> float:
        return self.until(time.monotonic())

    def until(self, moment: float) -> float:
        """Seconds to a moment of the monotonic clock that has just been: what another process has noted."""
        return moment - self.began - self.hindered

    @property
    def hindered(self) -> float:
        """Seconds in which somebody waited for a processor."""
        return _hindered() - self._hindered_before


def _hindered() -> float:
    """Seconds since the boot in which a process could have run and did not; 0.0 where the kernel does not count them.

    The line is `some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS`.
    """
    try:
        some = _PRESSURE.read_text().partition("\n")[0]
    except OSError:
        return 0.0
    return int(some.rpartition("=")[2]) / 1e6

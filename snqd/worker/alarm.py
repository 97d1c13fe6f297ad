"""Stopping plain handlers on the main thread: an interval timer whose signal raises inside the handler.

It reaches endless loops and blocking system calls (they return with EINTR and the exception passes). What it cannot
reach, C code that never returns to the interpreter, the supervisor kills one grace later (`Killed.TIME_LIMIT`). The
signal repeats every second while the handler runs, in case the handler swallows it.

The timer is not set and cleared for every item: that would be two system calls each. It is set when no earlier one
is pending, and when it fires before the deadline of the item that runs then, it is set again for the rest.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from snqd.handlers.outcomes import Interrupted, TimeLimitExceeded

if TYPE_CHECKING:
    from types import FrameType

_REPEAT_SECONDS = 1.0
_NEVER = float("inf")


class Alarm:
    """Main thread only. `install` once per process."""

    def __init__(self) -> None:
        self._is_armed = False
        self._limit_at = _NEVER
        self._stop_at = _NEVER
        self._fires_at = _NEVER

    def install(self) -> None:
        signal.signal(signal.SIGALRM, self._on_signal)

    def arm(self, limit_seconds: float) -> None:
        """A handler is about to run and may take `limit_seconds` (0 = no limit)."""
        limit_at = time.monotonic() + limit_seconds if limit_seconds else _NEVER
        self._limit_at = limit_at
        self._is_armed = True
        if limit_at < self._fires_at or self._stop_at < self._fires_at:
            self._set()

    def disarm(self) -> None:
        """The handler has ended. A timer that is pending finds nothing to stop."""
        self._is_armed = False

    def stop_at(self, when: float) -> None:
        """Interrupt whatever runs at `when` (monotonic), now and for handlers that begin later."""
        self._stop_at = when
        if self._is_armed:
            self._set()

    def _set(self) -> None:
        self._fires_at = min(self._limit_at, self._stop_at)
        if self._fires_at == _NEVER:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            wait = max(self._fires_at - time.monotonic(), 0.000_001)
            signal.setitimer(signal.ITIMER_REAL, wait, _REPEAT_SECONDS)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_armed:
            self._fires_at = _NEVER
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        now = time.monotonic()
        if now < self._stop_at and now < self._limit_at:
            self._set()
            return
        self._fires_at = now + _REPEAT_SECONDS  # unless the next item's deadline is earlier: `arm` looks
        raise Interrupted if now >= self._stop_at else TimeLimitExceeded

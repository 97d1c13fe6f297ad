"""`Collector`: Python's garbage collector looks at everything there is only while nobody waits for the screen.

With thousands of sites such a look takes longer than a key may. Nearly all that a monitor makes is freed without it;
what is in cycles can wait until no key has been pressed for a while, and not for ever.
"""

from __future__ import annotations

import gc
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CALM_SECONDS: Final = 10.0
"""Since the last key."""
INTERVAL_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 900.0
"""Somebody who presses keys all the time waits once in so long."""
_YOUNG: Final = (20_000, 50, 1_000_000)
"""Thresholds of the collector: young objects are looked at as ever, though not several times a tick."""


class Collector:
    """Of one process, from `begin` to `end`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._touched_at = -inf
        self._collected_at = 0.0
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """What has been made so far, modules and screens, stays, and is not looked at any more."""
        if self._before is None:
            self._before = gc.get_threshold()
            gc.set_threshold(*_YOUNG)
            gc.freeze()
            self._collected_at = self._clock()

    def touched(self) -> None:
        """Somebody is there."""
        self._touched_at = self._clock()

    def turn(self) -> bool:
        """Collect if it is time; whether it was. To be called when something was drawn, and before the next is due."""
        now = self._clock()
        since = now - self._collected_at
        is_calm = now - self._touched_at >= CALM_SECONDS
        if self._before is None or since < (INTERVAL_SECONDS if is_calm else LONGEST_SECONDS):
            return False
        gc.collect()
        self._collected_at = now
        return True

    def end(self) -> None:
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None

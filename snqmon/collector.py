"""`Collector`: Python's garbage collector looks at everything there is only while nobody waits for the screen.

With thousands of sites such a look takes longer than a key may. So what there is is frozen, which is not looked at. Of
what comes later the youngest is looked at as ever, and all of it once in a while, which is short: screens that are
closed are kept, and what is drawn leaves few cycles. While nobody has pressed a key for a while, everything is looked
at, and frozen anew.
"""

from __future__ import annotations

import gc
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CALM_SECONDS: Final = 10.0
"""Since the last key."""
OFTEN_SECONDS: Final = 10.0
"""Between two looks at what is new."""
SELDOM_SECONDS: Final = 120.0
"""Between two looks at everything."""
LONGEST_SECONDS: Final = 900.0
"""Somebody who presses keys all the time waits once in so long."""
_YOUNG: Final = (20_000, 50, 1_000_000)
"""Of the collector: young objects are looked at as ever, though not several times a tick; old ones when we say."""


class Collector:
    """Of one process, from `begin` to `end`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._touched_at = -inf
        self._new_at = self._all_at = 0.0
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """What has been made so far, modules and screens, stays."""
        if self._before is None:
            self._before = gc.get_threshold()
            gc.set_threshold(*_YOUNG)
            gc.freeze()
            self._new_at = self._all_at = self._clock()

    def touched(self) -> None:
        """Somebody is there."""
        self._touched_at = self._clock()

    def turn(self) -> None:
        """Collect if it is time. To be called when something was drawn, and before the next is due."""
        now = self._clock()
        is_calm = now - self._touched_at >= CALM_SECONDS
        if self._before is None:
            return
        if now - self._all_at >= (SELDOM_SECONDS if is_calm else LONGEST_SECONDS):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._new_at = self._all_at = now
        elif now - self._new_at >= OFTEN_SECONDS:
            gc.collect()
            self._new_at = now

    def end(self) -> None:
        """Leave it as it was found."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None

"""From the monotonic clock of board and ledger to epoch seconds."""

from __future__ import annotations

import time

_STEP_SECONDS = 0.005


class EpochOffset:
    """What to add to monotonic seconds.

    The two clocks are read one after the other, so the difference trembles; it is kept until the wall clock was really
    set, or every time derived from it would seem to change with every look.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def get(self) -> float:
        now = time.time() - time.monotonic()
        if abs(now - self._offset) > _STEP_SECONDS:
            self._offset = now
        return self._offset

"""How long claimed items wait behind a handler that takes long, before others get them.

How many items a worker holds follows how long recent ones took (`pace.py`), so a long one after many short ones finds
a whole batch behind it. Another worker could start those: what is not started within `PATIENCE_SECONDS` of the last
progress is given back, and nothing more is claimed until there is progress again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.worker.lanes import WorkLane

PATIENCE_SECONDS = 0.1
LOOK_SECONDS = 0.05
"""How often the store's thread looks while items wait behind the running one."""


class Patience:
    """Watches the main thread's progress. Used by the store's thread."""

    def __init__(self, lanes: Sequence[WorkLane]) -> None:
        self._lanes = lanes
        self._finished = 0
        self._since = time.monotonic()

    def is_over(self, now: float, *, is_resting: bool) -> bool:
        """Whether one handler has kept the main thread for too long. `is_resting`: it runs nothing itself."""
        finished = sum(lane.finished for lane in self._lanes)
        if is_resting or finished != self._finished:
            self._finished, self._since = finished, now
        return now - self._since >= PATIENCE_SECONDS

"""When a worker looks for garbage in cycles: seldom while items flow, and soon when memory grows.

A claim brings thousands of containers that are no garbage. After every 700, which is Python's default, the collector
looked at each of them, at 4 % of a drain's processor time. Counting containers alone would be a bad guess the other
way: each may hold a whole frame, so growth of resident memory makes it look at once.
"""

from __future__ import annotations

import gc

COLLECT_AFTER = 10_000
"""New containers, less freed ones, after which the collector looks at the young ones by itself."""
GROWTH_BYTES = 16 * 1024 * 1024
_YOUNG = 1


class Garbage:
    """Main thread only. Once made, the collector is quieter."""

    def __init__(self) -> None:
        first, *others = gc.get_threshold()
        if 0 < first < COLLECT_AFTER:  # a module of handlers may have turned it off, or made it rarer still
            gc.set_threshold(COLLECT_AFTER, *others)
        self._base_bytes: int | None = None

    def look(self, rss_bytes: int) -> bool:
        """Collect what is young if memory has grown by `GROWTH_BYTES` since it was lowest, or collected last."""
        base = self._base_bytes
        if base is None or rss_bytes < base:
            self._base_bytes = rss_bytes
        elif rss_bytes - base >= GROWTH_BYTES and gc.isenabled():
            gc.collect(_YOUNG)
            self._base_bytes = rss_bytes
            return True
        return False

"""When a worker should be replaced between items: memory, number of items, age."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.telemetry.board import Word
from snqd.telemetry.events import MemoryRestart, WorkerUsage
from snqd.worker.garbage import Garbage
from snqd.worker.growth import Growth

if TYPE_CHECKING:
    from snqd.worker.parts import Parts

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS = 0.25
_STATM = Path("/proc/self/statm")


def rss_bytes() -> int:
    """Resident memory of this process: what the machine really gives, not what the heap counts."""
    return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES


class Usage:
    """Asked between slices; looks at /proc at most four times a second."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._view = parts.view
        self._limit = parts.memory_limit_bytes
        self._born = time.monotonic()
        self._look_at = 0.0
        self._growth = Growth(parts)
        self._garbage = Garbage()

    def verdict(self) -> str | None:
        """Why the worker should leave now, or None."""
        now = time.monotonic()
        config = self._parts.config.daemon
        if config.max_items and self._view.handlings >= config.max_items:
            return f"it has done {config.max_items} items (daemon.max_items)"
        if now < self._look_at:
            return None
        self._look_at = now + _LOOK_SECONDS
        rss = rss_bytes()
        if self._garbage.look(rss):
            rss = rss_bytes()
        self._view.set(Word.RSS_BYTES, rss)
        self._view.set(Word.MEMORY_LIMIT, self._limit or 0)
        self._growth.look(rss)
        if config.debug_memory:
            self._parts.emit(WorkerUsage(worker=self._parts.worker, rss_bytes=rss, limit_bytes=self._limit or 0))
        if self._limit is not None and rss > self._limit:
            self._parts.emit(MemoryRestart(worker=self._parts.worker, rss_bytes=rss, limit_bytes=self._limit))
            return f"resident memory {rss:,} bytes is past the soft limit of {self._limit:,}"
        if config.max_age_seconds and now - self._born >= config.max_age_seconds:
            return f"it is {config.max_age_seconds:g} s old (daemon.max_age_seconds)"
        return None

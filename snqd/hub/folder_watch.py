"""Noticing that files of a folder were written, renamed or removed: by inotify, and by their folder's time of change.

The kernel tells of everything that happens on this host in a local file system. Where it does not (a network file
system, no watch to be had, the folder replaced by another one behind a link), files that come and go still change
the folder, which is looked at from time to time.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_SECONDS = 0.1
"""Files are often written several at a time, or one in pieces: they are read when none has changed for so long."""
BUSY_SECONDS = 1.0
"""… but at least this often while they change."""


class FolderWatch:
    """Used by one thread. Nothing in it raises or blocks. `concerns`: whether a file of that name is watched for."""

    def __init__(self, folder: str, concerns: Callable[[str], bool]) -> None:
        self._folder = folder
        self._concerns = concerns
        self._first = self._last = 0.0
        """When files began to change, and when the last one did; 0 = nothing has changed."""
        self._events: Any = None
        self._flags: Any = None
        self._state = self._look()
        self._watch()

    def descriptors(self) -> list[int]:
        """Readable when there may be something to `read`."""
        return [] if self._events is None else [self._events.fileno()]

    def read(self, now: float) -> None:
        """Take what the kernel has told. `now`: monotonic."""
        if self._events is None:
            return
        with suppress(OSError):
            if any(self._concerns_us(event) for event in self._events.read(timeout=0)):
                self.changed(now)

    def look(self, now: float) -> None:
        """Look whether the folder has changed, or is another one."""
        state = self._look()
        if state == self._state:
            return
        is_other = state is None or self._state is None or state[:2] != self._state[:2]
        self._state = state
        if is_other:
            self._watch()
        self.changed(now)

    def changed(self, now: float) -> None:
        self._first, self._last = self._first or now, now

    @property
    def due_at(self) -> float:
        """When what has changed should be read."""
        return min(self._last + QUIET_SECONDS, self._first + BUSY_SECONDS) if self._first else float("inf")

    def is_due(self, now: float) -> bool:
        """Whether to read now; if so, it is taken to be done."""
        if now < self.due_at:
            return False
        self._first = 0.0
        return True

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._folder)  # noqa: PTH116 - a Path for nothing, every two seconds
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _watch(self) -> None:
        """Watch the folder that has the name now."""
        self.close()
        if sys.platform != "linux":
            return
        try:
            from inotify_simple import INotify, flags

            self._flags = flags
            self._events = INotify(nonblocking=True)  # type: ignore[no-untyped-call]
            wanted = flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.CREATE
            self._events.add_watch(self._folder, wanted | flags.DELETE_SELF | flags.MOVE_SELF)
        except (ImportError, OSError):  # it is not there, or the user's watches are used up
            self.close()

    def _concerns_us(self, event: Any) -> bool:
        """A file that was only made has yet to be written; a link is all there when it is made."""
        name: str = event.name
        if name and not self._concerns(name):
            return False
        if not event.mask & self._flags.CREATE:
            return True
        with suppress(OSError):
            return Path(self._folder, name).is_symlink()
        return False

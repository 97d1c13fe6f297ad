"""Wake-ups: notice within a millisecond that another program has committed to the file.

Linux tells by inotify that the write-ahead log was written. That is a little too early: the writer has yet to sync the
log and publish the commit in shared memory, of which no event tells. So after an event the watch looks at
`PRAGMA data_version`, which changes with each foreign commit, and looks again after 0.2, 0.4, 0.8 … ms, woken by a
timer descriptor: nobody ever blocks here. The next writer writes only after the commit is published, so a change seen
without a new event ends the looks. Commits of our own make events too, but do not change our data_version: after one
there are fewer looks, for a foreign commit hidden behind it. Either way some looks follow that are further and further
apart: on a busy machine the writer may stand still between its write and its commit.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from snqd.stores.sql import queries

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from snqd.stores.sqlite.connection import Connection

_ANYTHING_NEW = queries("sqlite")["anything_new"]
_LOOKS = (0.0002, 0.0002, 0.0004, 0.0004, *[0.001] * 8, 0.004, 0.008, 0.012)
"""Pauses between looks after an event, in seconds: close together while a disk may be syncing, and longer in all than a
commit takes to be published.
"""
LOOKS_SECONDS = sum(_LOOKS)
_LOOKS_AFTER_OWN = (0.002, 0.01)
_LATE_LOOKS = (0.03, 0.06, 0.12, 0.25, 0.5, 0.9)
"""After those: nearly two seconds for a writer that waits for its disk or for a processor."""


class Watch:
    """Watches the file of `connection`, in the thread that uses it. Linux only. Raises `OSError`, `ImportError`."""

    def __init__(self, connection: Connection) -> None:
        if sys.platform != "linux":
            raise ImportError("inotify is Linux's")
        from inotify_simple import INotify, flags  # imports nowhere else

        self.own_commit = False
        """Set by the store after each commit of its own."""
        self.own_items = False
        """Set by the store after it made items ready: others want to know, and our data_version does not tell us."""
        self.known_due: float | None = None
        """When the next scheduled item is due, in epoch seconds, as far as the worker knows."""
        self._mask = flags.MODIFY | flags.DELETE_SELF
        self._gone = flags.DELETE_SELF | flags.IGNORED
        self._looks: list[float] = []
        self._events: Any = INotify(nonblocking=True)  # type: ignore[no-untyped-call]
        self._timer = Timer()
        try:
            self.follow(connection)
        except BaseException:
            self.close()
            raise

    def descriptors(self) -> list[int]:
        return [self._events.fileno(), self._timer.descriptor]

    def follow(self, connection: Connection) -> None:
        """Watch the log of `connection` (after a reconnect: it may be a new file)."""
        self._connection = connection
        self._version = connection.read(_data_version)  # a read also makes sure that the log exists
        self._events.add_watch(wal_of(connection.path), self._mask)

    def read(self) -> bool:
        """Whether to look for items now. Does not block."""
        rang = self._timer.read()
        heard = self._hear()
        version = self._connection.read(_data_version)
        changed = version != self._version
        self._version = version
        if heard:
            self._looks = [*(_LOOKS_AFTER_OWN if self.own_commit else _LOOKS), *_LATE_LOOKS]
            self.own_commit = False
        elif changed:
            self._looks.clear()
        if (heard or rang) and self._looks:
            self._timer.set(self._looks.pop(0))
        if self.own_items:
            self.own_items = False
            return True
        return changed and self._is_anything_new()

    def close(self) -> None:
        self._timer.close()
        self._events.close()

    def _hear(self) -> bool:
        """Take the events; whether there were any."""
        events = self._events.read(timeout=0)
        if any(event.mask & self._gone for event in events):
            with suppress(FileNotFoundError):  # polling remains until the log is there again
                self.follow(self._connection)
        return bool(events)

    def _is_anything_new(self) -> bool:
        """Whether the change concerns a worker at all: most foreign commits are other workers' acks."""
        ready, due = self._connection.read(lambda raw: raw.execute(_ANYTHING_NEW).fetchone())
        if due is not None and (self.known_due is None or due < self.known_due):
            self.known_due = due
            return True
        return bool(ready)


class _Interval(ctypes.Structure):
    """`struct itimerspec`: interval, then first expiry, each seconds and nanoseconds."""

    _fields_ = (
        ("every_seconds", ctypes.c_long),
        ("every_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Timer:
    """A timerfd: a descriptor that becomes readable after a time. (The standard library has it from 3.13.)"""

    _CLOCK_MONOTONIC = 1

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.timerfd_create(self._CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")

    def set(self, seconds: float) -> None:
        """Become readable once, `seconds` from now (more than 0, less than a second)."""
        when = _Interval(0, 0, 0, max(1, int(seconds * 1e9)))
        if self._libc.timerfd_settime(self.descriptor, 0, ctypes.byref(when), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def read(self) -> bool:
        """Whether the time has come; not readable any more then."""
        try:
            os.read(self.descriptor, 8)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def wal_of(path: Path) -> str:
    """The write-ahead log of a database; SQLite puts it beside the file itself, not beside a link to it."""
    return os.path.realpath(path) + "-wal"


def _data_version(raw: sqlite3.Connection) -> int:
    version: int = raw.execute("PRAGMA data_version").fetchone()[0]
    return version

"""The bell: one pipe per group, made before the fork, by which workers wake one another.

One worker of the group holds the *watch*: it listens for new items (`Store.open_wakeups`), does the periodic care of
the store, and rings the bell when it is too busy to look itself. A worker whose claim came back full rings too, since
there may be more. Ringing is coalesced: however often it rings, one idle worker's read silences it. The supervisor
rings when a worker has died, so that its claims are given back at once.

The watch is a record lock on a file that all share: the kernel passes it on when its holder dies. A holder that lives
but does not move (stopped, or deep in C code) shows by the age of its mark in shared memory, and the others do the care
meanwhile. Through the same memory and a pipe of its own the holder learns when an item of another worker becomes due.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
import time

_MARK, _DUE = 0, 1
_NEVER_NS = 1 << 62


class Bell:
    """Make it before the fork. Every method is safe in any process of the group."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with tempfile.TemporaryFile() as file:  # unlinked: the descriptor is all there is
            self._lock_fd = os.dup(file.fileno())
        self.watch_fd, self._watch_write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """Readable when the holder of the watch should look at `due_at`."""
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = memoryview(self._shared).cast("q")
        self._words[_MARK], self._words[_DUE] = time.monotonic_ns(), _NEVER_NS

    def ring(self) -> None:
        """Ask one idle worker to look. Never blocks."""
        with contextlib.suppress(BlockingIOError):  # full: it rings already
            os.write(self._write_fd, b"!")

    def silence(self) -> bool:
        """Whether it rang and we were the first to hear it."""
        try:
            return bool(os.read(self.fd, 65536))
        except BlockingIOError:
            return False

    def take_watch(self) -> bool:
        """Whether this process has the watch now. Record locks belong to the process, not to the descriptor."""
        try:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def mark_watch(self) -> None:
        """The holder of the watch is at work."""
        self._words[_MARK] = time.monotonic_ns()

    def watch_age(self) -> float:
        """Seconds since the watch was last marked."""
        return (time.monotonic_ns() - self._words[_MARK]) / 1e9

    @property
    def due_at(self) -> float:
        """When the next scheduled item is due (monotonic), as far as the workers of this group know."""
        return self._words[_DUE] / 1e9

    @due_at.setter
    def due_at(self, when: float) -> None:
        """Set by the holder of the watch, who has asked the store."""
        self._words[_DUE] = min(int(min(when, 1e9) * 1e9), _NEVER_NS)

    def expect(self, when: float) -> None:
        """An item becomes due at `when` (monotonic): tell the holder of the watch, if that is news."""
        if when < self.due_at:
            self.due_at = when
            with contextlib.suppress(BlockingIOError):  # full: it is being told already
                os.write(self._watch_write_fd, b"!")

    def hear_expected(self) -> None:
        """Make `watch_fd` silent."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.watch_fd, 65536)

    def close(self) -> None:
        for descriptor in (self.fd, self._write_fd, self.watch_fd, self._watch_write_fd, self._lock_fd):
            os.close(descriptor)
        self._words.release()
        self._shared.close()

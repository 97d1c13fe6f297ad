"""Signals as things to read: the handler does nothing, the interpreter writes the number into a pipe.

Between two reads nothing of ours runs in signal context, so no lock, log line or half-made slot can be met by a
signal. Signals are blocked around `fork` (`blocked`), so that none meets a child that is not yet one.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HANDLED = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCHLD,
    }
)
_FOR_SUPERVISOR_ONLY = (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2)


def _nothing(_signum: int, _frame: FrameType | None) -> None:
    """A Python handler must be set for the interpreter to write into the wake-up pipe."""


class SignalPipe:
    """Collects the handled signals while it is entered."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        os.set_blocking(self._write_fd, False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _nothing)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.close(self.read_fd)
        os.close(self._write_fd)

    def wait(self, timeout_seconds: float) -> list[signal.Signals]:
        """Block until a signal arrives or the time is over; the signals in order of arrival."""
        select.select([self.read_fd], [], [], max(0.0, timeout_seconds))
        try:
            return [signal.Signals(number) for number in os.read(self.read_fd, 4096) if number in HANDLED]
        except BlockingIOError:
            return []

    def leave_in_child(self) -> None:
        """In a fresh child, its signals still blocked: forget the supervisor's handling and its pipe."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            # Not SIG_IGN: it would be inherited by programs that a handler starts. A no-op is reset by exec.
            signal.signal(number, _nothing if number in _FOR_SUPERVISOR_ONLY else signal.SIG_DFL)
        os.close(self.read_fd)
        os.close(self._write_fd)


@contextmanager
def blocked() -> Iterator[None]:
    """Hold the handled signals back; they arrive at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

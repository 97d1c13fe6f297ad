"""Python stacks of a worker on demand, also while its main thread is in a loop or in C code that never returns.

Each slot has a file in memory. The worker asks `faulthandler` to write all of its threads' stacks there on SIGUSR2,
which it does inside the C signal handler: no bytecode has to run for it and no lock is needed. A stack has file names,
line numbers and names of functions; no values.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import signal
import time

from snqd.telemetry.board import SLOTS

STACK_SIGNAL = signal.SIGUSR2
_LOOK_SECONDS = 0.005
_STILL_LOOKS = 4
"""A text is complete when it has not grown for so many looks: the writer needs microseconds for a line."""
_LIMIT_BYTES = 256 * 1024


class StackFile:
    """The file of one slot."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def register(self) -> None:
        """Let this process write its stacks here on `STACK_SIGNAL`. In a worker, once, on its main thread."""
        faulthandler.register(STACK_SIGNAL, file=self.fd, all_threads=True, chain=False)


class StackFiles:
    """Make it before the fork."""

    def __init__(self, files: dict[int, StackFile]) -> None:
        self._files = files

    @classmethod
    def create(cls, slots: int = SLOTS - 1) -> StackFiles:
        """Files for slots 1 to `slots`; for fewer of them when the system has not so many descriptors to give."""
        files = {}
        with contextlib.suppress(OSError):
            for slot in range(1, slots + 1):
                fd = os.memfd_create(f"snqd-stack-{slot}")
                fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)  # after a truncation it begins anew
                files[slot] = StackFile(fd)
        return cls(files)

    def for_slot(self, slot: int) -> StackFile | None:
        """None when there is none."""
        return self._files.get(slot)

    def keep_only(self, slot: int) -> None:
        """Close the files of other slots. In a worker."""
        for other in [other for other in self._files if other != slot]:
            os.close(self._files.pop(other).fd)

    def take_stack(self, pid: int, slot: int, *, seconds: float = 1.0) -> str:
        """The stacks of the worker `pid` in `slot`, the thread that took the signal first; blocks up to `seconds`.

        Empty when it does not answer: it is gone, stopped, or has not got as far as `register`. The caller must know
        that `pid` is the slot's living worker: the signal ends another kind of process.
        """
        file = self._files.get(slot)
        if file is None:
            return ""
        os.ftruncate(file.fd, 0)
        try:
            os.kill(pid, STACK_SIGNAL)
        except (ProcessLookupError, PermissionError):
            return ""
        return _when_still(file.fd, time.monotonic() + seconds)

    def close(self) -> None:
        for file in self._files.values():
            os.close(file.fd)
        self._files.clear()


def _when_still(fd: int, until: float) -> str:
    """The text in the file once it has stopped growing, or what there is at `until` (monotonic)."""
    size = still = 0
    while still < _STILL_LOOKS and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        now = os.fstat(fd).st_size
        still = still + 1 if now == size and now else 0
        size = now
    return os.pread(fd, _LIMIT_BYTES, 0).decode(errors="replace")

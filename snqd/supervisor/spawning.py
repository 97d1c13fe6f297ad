"""The fork: from the supervisor's process to a child that never comes back."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.supervisor.signals import blocked
from snqd.telemetry.exits import WorkerExit

if TYPE_CHECKING:
    from collections.abc import Callable

_COMM_LIMIT = 15  # bytes of a process name that the kernel keeps


def fork_child(body: Callable[[], int], *, on_error: Callable[[BaseException], None]) -> int:
    """Fork; the child runs `body` with the supervisor's signals blocked and leaves with the code that it returns.

    An exception that escapes from `body` goes to `on_error` and ends the child with `WorkerExit.ERROR`. Returns the
    child's pid in the supervisor and never in the child. Raises `OSError` when the system has no process to give.
    """
    flush_streams()  # what is buffered now would be written by the child a second time
    with blocked():
        pid = os.fork()
        if pid == 0:
            _live(body, on_error)
        return pid


def _live(body: Callable[[], int], on_error: Callable[[BaseException], None]) -> None:
    code = int(WorkerExit.ERROR)
    try:
        code = int(body())
    except BaseException as error:  # nothing may unwind into the supervisor's stack
        with contextlib.suppress(BaseException):
            on_error(error)
    finally:
        flush_streams()
        os._exit(code)


def flush_streams() -> None:
    """Write out what standard output and standard error have buffered; a broken pipe is nobody's problem here."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def name_process(name: str) -> None:
    """Show `name` in `ps -o comm` and `top`. Does nothing where the system does not allow it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_bytes(name.encode(errors="replace")[:_COMM_LIMIT])

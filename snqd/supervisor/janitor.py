"""The janitor: one last child that gives back what dead workers held when no living worker is left to do it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.supervisor.crew import Crew
    from snqd.supervisor.signals import SignalPipe
    from snqd.telemetry.seat import RunWorker

JANITOR_SECONDS = 5.0


def run_janitor(crew: Crew, janitor: RunWorker, signals: SignalPipe) -> None:
    """Run it and wait for its end, `JANITOR_SECONDS` at most. Without it the leases run out by themselves."""
    try:
        pid = crew.fork_janitor(janitor)
    except OSError:
        return
    deadline = time.monotonic() + JANITOR_SECONDS
    while not _has_ended(pid):
        left = deadline - time.monotonic()
        if left <= 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        signals.wait(left)  # SIGCHLD ends the wait at once


def _has_ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid

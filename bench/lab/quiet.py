"""Is the machine ours? What other programs did during a repetition, and waiting until they do little.

A figure taken while a compiler ran beside it says nothing; so every repetition tells how busy others were, and the
disturbed ones are repeated.
"""

from __future__ import annotations

import resource
import time

import psutil

from bench.lab.processes import cpu_seconds

QUIET_PERCENT = 8.0
"""Of all processors: below this a repetition may begin."""
DISTURBED_CORES = 0.25
"""Processors that others used in the mean, above which a repetition is disturbed. The kernel's own work is in it."""


def wait_for_quiet(patience_seconds: float) -> float:
    """Wait until the processors are nearly idle, no longer than asked; how busy they are then, in percent."""
    until = time.monotonic() + patience_seconds
    while (busy := psutil.cpu_percent(interval=0.5)) > QUIET_PERCENT and time.monotonic() < until:
        pass
    return busy


class Watch:
    """From its making to `others()`. `servers`: processes that are ours but not children of this one."""

    def __init__(self, servers: list[psutil.Process]) -> None:
        self._servers = servers
        self._begun, self._busy, self._ours = time.monotonic(), _busy_seconds(), self._our_seconds()

    def others(self) -> float:
        """Processors used by programs that are not ours, in the mean. Our children must have been waited for."""
        took = time.monotonic() - self._begun
        foreign = _busy_seconds() - self._busy - (self._our_seconds() - self._ours)
        return max(0.0, foreign / took)

    def _our_seconds(self) -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used) + cpu_seconds(self._servers)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times[:-2]) - times.idle - times.iowait)  # guest time, the last two, is in user time already

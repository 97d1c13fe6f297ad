"""Runs the program of `alarms.exec` for each alarm that is raised or cleared.

The loop of the hub never waits for it. The words of one alarm are told in order and one at a time; a program that does
not end in time gets TERM and then KILL, with everything that it started in its process group. What cannot be told is
reported and dropped: an alarm that nobody hears must not become a second trouble.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from snqd.telemetry.facts import AlarmFact

LIMIT_SECONDS = 30.0
QUEUE_LIMIT = 20
"""Alarms that wait for their turn; the oldest is dropped for a newer one."""
_GRACE_SECONDS = 2.0
_AT_ONCE = 4
_SAID_BYTES = 2000
_LINE = 200
# The shell, because it is there at once: a program on a file system that hangs then holds up the shell, and not us.
_SHELL = ("/bin/sh", "-c", 'exec "$@"', "sh")


class AlarmProgram:
    """Belongs to the loop: call everything in its thread. `report(what, error)` takes what went wrong."""

    def __init__(
        self,
        command: str,
        *,
        daemon: str,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[str, str], None],
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        """`command` is split as a shell does, but no shell sees it. Raises `ValueError` for an open quote, and when
        there is nothing in it.
        """
        words = shlex.split(command)
        if not words:
            raise ValueError("alarms.exec names no program")
        self._argv = (*_SHELL, *words)
        self.what = f"alarms.exec {command}"
        self._daemon = daemon
        self._loop = loop
        self._report = report
        self._limit_seconds = limit_seconds
        self._waiting: deque[AlarmFact] = deque()
        self._running: dict[tuple[str, str], _Run] = {}
        self.dropped = 0
        """Alarms that were not told because too many waited."""

    def tell(self, alarm: AlarmFact) -> None:
        """Run the program for `alarm` when it is its turn."""
        if len(self._waiting) >= QUEUE_LIMIT:
            lost = self._waiting.popleft()
            self.dropped += 1
            self._report(self.what, f"too many alarms wait for it: {lost.name} of {lost.subject} is not told")
        self._waiting.append(alarm)
        self._start_next()

    @property
    def is_idle(self) -> bool:
        return not self._waiting and not self._running

    def close(self) -> None:
        """End what runs, and take its exit status. What waits is dropped."""
        self._waiting.clear()
        for run in list(self._running.values()):
            run.abandon()
        self._running.clear()

    def _start_next(self) -> None:
        """Start what may run now. An alarm that is being told, or waits further in front, keeps its next word back."""
        engaged = set(self._running)
        for alarm in list(self._waiting):
            key = (alarm.name, alarm.subject)
            if len(self._running) < _AT_ONCE and key not in engaged:
                self._waiting.remove(alarm)
                self._start(key, alarm)
            engaged.add(key)

    def _start(self, key: tuple[str, str], alarm: AlarmFact) -> None:
        try:
            self._running[key] = _Run(
                self._argv,
                self._environment(alarm),
                self._loop,
                self._limit_seconds,
                lambda error: self._ended(key, error),
            )
        except (OSError, ValueError) as error:  # no process, no descriptor, no shell
            self._report(self.what, str(error))

    def _ended(self, key: tuple[str, str], error: str) -> None:
        del self._running[key]
        if error:
            self._report(self.what, error)
        self._start_next()

    def _environment(self, alarm: AlarmFact) -> dict[str, str]:
        said = {
            "DAEMON": self._daemon,
            "NAME": alarm.name,
            "SUBJECT": alarm.subject,
            "STATE": "raised" if alarm.is_raised else "cleared",
            "SINCE": f"{alarm.since:.3f}",
            "VALUE": f"{alarm.value:g}",
            "THRESHOLD": f"{alarm.threshold:g}",
            "MESSAGE": alarm.message,
        }
        return os.environ | {f"SNQD_ALARM_{name}": text.replace("\0", "") for name, text in said.items()}


class _Run:
    """One program that runs, in a session of its own, watched through a descriptor of its process."""

    def __init__(
        self,
        argv: tuple[str, ...],
        environment: dict[str, str],
        loop: asyncio.AbstractEventLoop,
        limit_seconds: float,
        ended: Callable[[str], None],
    ) -> None:
        self._loop, self._ended, self._limit_seconds = loop, ended, limit_seconds
        self._said = b""
        self._is_late = False
        self._process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._stderr_fd = self._process.stderr.fileno()
        os.set_blocking(self._stderr_fd, False)
        try:
            self._pid_fd = os.pidfd_open(self._process.pid)
        except OSError:  # out of descriptors: what cannot be watched must not run
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process.stderr.close()
            raise
        loop.add_reader(self._stderr_fd, self._read)
        loop.add_reader(self._pid_fd, self._reap)
        self._timer = loop.call_later(limit_seconds, self._terminate)

    def _read(self) -> None:
        """Keep the last of what it says. It may close its end, or leave it to a child, long before it is gone."""
        try:
            data = os.read(self._stderr_fd, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._stderr_fd)
        self._said = (self._said + data)[-_SAID_BYTES:]

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        self._read()
        if self._is_late:
            self._signal(signal.SIGKILL)  # what it started and left behind
        self._close()
        self._ended(self._problem(code))

    def _problem(self, code: int) -> str:
        said = self._said.decode(errors="replace").strip().rsplit("\n", 1)[-1][:_LINE]
        more = f": {said}" if said else ""
        if self._is_late:
            return f"it did not end within {self._limit_seconds:g} s and was ended{more}"
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}{more}"
        return f"it failed with exit code {code}{more}" if code else ""

    def _terminate(self) -> None:
        self._is_late = True
        self._signal(signal.SIGTERM)
        self._timer = self._loop.call_later(_GRACE_SECONDS, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To its whole process group, whose id is its pid as long as it is not reaped or a member lives."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._stderr_fd)
        self._loop.remove_reader(self._pid_fd)
        os.close(self._pid_fd)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def abandon(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close()

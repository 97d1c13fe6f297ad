"""A program beside the hub that is fed what monitors are told, over a pair of sockets, and kept alive.

The SNMP agent is one. A defect or a flood there stops nothing here: what it does not take in time is lost like any
datagram, and told again by the rotation. It says that it lives once a second; one that does not for `STUCK_SECONDS` is
killed, and every death is followed by another start after a growing delay. When the hub ends, so does the pair, and
the program with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.hub.receivers import Receiver

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from snqd.hub.parts import FedProgram
    from snqd.telemetry.cursor import Cursor
    from snqd.telemetry.wire import Header

FRAMES_PER_SECOND: Final = 1.0
STUCK_SECONDS: Final = 15.0
_STARTING_SECONDS: Final = 30.0
"""A program has so long until its first word."""
_FIRST_DELAY_SECONDS: Final = 0.1
_DELAY_LIMIT_SECONDS: Final = 30.0
_SOUND_SECONDS: Final = 10.0  # one that lived longer than this was not a quick death
_WORD_BYTES: Final = 2048
_LONGEST_STEP_SECONDS: Final = 2.5  # a longer time between two turns: we were stopped ourselves, and it with us
_WITHOUT_PROGRAM_SECONDS: Final = 60.0


class Feeding:
    """Belongs to the hub's loop. `on_problem(what, error)` is told of each end, and what the program itself says."""

    def __init__(
        self,
        program: FedProgram,
        new_cursor: Callable[[float], Cursor],
        header: Header,
        *,
        loop: asyncio.AbstractEventLoop,
        on_problem: Callable[[str, str], None],
    ) -> None:
        self._program = program
        self._new_cursor = new_cursor
        self._header = header
        self._loop = loop
        self._on_problem = on_problem
        self._running: _Running | None = None
        self._receiver: Receiver | None = None
        self._start_at = -inf
        self._quick_deaths = 0
        self._turned_at = inf

    @property
    def pid(self) -> int:
        """0 = it does not run now."""
        return self._running.process.pid if self._running is not None else 0

    def turn(self, now: float) -> float:
        """Start, feed or kill it, as is due; seconds until the next turn. `now`: of the monotonic clock."""
        if self._running is None:
            if now < self._start_at:
                return self._start_at - now
            self._start(now)
        running, receiver = self._running, self._receiver
        if running is None or receiver is None:
            return max(0.0, self._start_at - now)
        step, self._turned_at = now - self._turned_at, now
        if step > _LONGEST_STEP_SECONDS:
            running.dead_at += step
        if now > running.dead_at:
            running.kill_reason = f"stuck: it has not said anything for {STUCK_SECONDS:.0f} s"
            running.dead_at = inf
            running.send_signal(signal.SIGKILL)
        if now >= receiver.due:
            receiver.serve(now, running.feed)
        return max(0.0, min(receiver.due, running.dead_at) - now)

    def close(self) -> None:
        """End it, and take its exit status."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.process.wait()
            self._forget(self._running)

    def _start(self, now: float) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            ours.send(self._program.hello)
            self._running = _Running(self._program, ours, theirs, now)
        except OSError as error:  # no process or descriptor to be had now
            ours.close()
            self._on_problem(self._program.name, error.strerror or str(error))
            self._delay(now)
            return
        finally:
            theirs.close()
        self._receiver = Receiver(self._new_cursor(FRAMES_PER_SECOND), self._header, 0, None)
        self._loop.add_reader(ours.fileno(), self._hear, self._running)
        self._loop.add_reader(self._running.pid_fd, self._reap, self._running)

    def _hear(self, running: _Running) -> bool:
        """Take one word. Whether there was one."""
        try:
            word = running.feed_socket.recv(_WORD_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            word = b""
        if not word:  # its end is closed: it is about to be reaped
            self._loop.remove_reader(running.feed_socket.fileno())
            return False
        running.dead_at = time.monotonic() + STUCK_SECONDS
        running.last_problem = problem = word.decode(errors="replace").strip()
        if problem:
            self._on_problem(self._program.name, problem)
        return True

    def _reap(self, running: _Running) -> None:
        code = running.process.poll()
        if code is None:
            return
        while self._hear(running):
            pass  # its last words
        self._forget(running)
        now = time.monotonic()
        self._quick_deaths = 0 if now - running.started_at >= _SOUND_SECONDS else self._quick_deaths + 1
        if not running.last_problem:
            self._on_problem(self._program.name, f"its process ended: {running.kill_reason or _in_words(code)}")
        self._delay(now)

    def _delay(self, now: float) -> None:
        delay = min(_FIRST_DELAY_SECONDS * 2.0 ** min(self._quick_deaths, 20), _DELAY_LIMIT_SECONDS)
        self._start_at = now + delay

    def _forget(self, running: _Running) -> None:
        self._running = self._receiver = None
        self._loop.remove_reader(running.feed_socket.fileno())
        self._loop.remove_reader(running.pid_fd)
        running.close()


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal between SIGRTMIN and SIGRTMAX has no name
        return f"killed by signal {-code}"


class _Running:
    """One process of the program."""

    def __init__(self, program: FedProgram, ours: socket.socket, theirs: socket.socket, now: float) -> None:
        self.feed_socket = ours
        self.started_at = now
        self.dead_at = now + _STARTING_SECONDS
        self.kill_reason = self.last_problem = ""
        descriptors = (theirs.fileno(), *program.descriptors)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", program.module, *map(str, descriptors)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
        )
        try:
            self.pid_fd = os.pidfd_open(self.process.pid)
        except OSError:  # out of descriptors: what cannot be watched must not run
            self.send_signal(signal.SIGKILL)
            self.process.wait()
            raise

    def feed(self, data: bytes) -> bool:
        try:
            self.feed_socket.send(data, socket.MSG_NOSIGNAL)
        except OSError:  # it does not keep up, or is gone
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def close(self) -> None:
        self.feed_socket.close()
        os.close(self.pid_fd)

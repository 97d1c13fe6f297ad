"""Tells a Ganglia `gmond` how the daemon is, a few datagrams at a time. `docs/ganglia.md` has the names.

A *round* takes the figures and lines up what is to be sent: values that have changed, those that have not been told for
`repeat_seconds`, and before them their definitions when these are due. Each tick sends at most `BURST` datagrams, and
the next round begins when nothing is lined up any more: a receiver that takes what comes is never overrun.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.exporters.figures import Figures
from snqd.exporters.ganglia import packets
from snqd.exporters.ganglia.catalogue import FROM_THE_FIRST, LEFT_OUT, describe, subject_of, written
from snqd.exporters.ganglia.packets import Sender
from snqd.exporters.ganglia.places import Places
from snqd.exporters.names import part
from snqd.exporters.resolving import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.addresses import Address
    from snqd.exporters.ganglia.packets import Definition
    from snqd.exporters.resolving import Found
    from snqd.telemetry.daemon_view import DaemonView

BURST: Final = 64
"""Datagrams in a tick, of which there is about one a second. The usual receive buffer of a socket holds 200 of them."""
COST_SHARE: Final = 50
"""A look at ten thousand busy sites is dear: the next one waits so many times as long as it took."""
NAME_LIMIT: Final = 250
"""Characters of a metric's name: it becomes the name of a file with `.rrd` at its end."""


class Timing(NamedTuple):
    """How often what is told."""

    round_seconds: float = 10.0
    """From one look at the figures to the next, at least."""
    repeat_seconds: float = 60.0
    """Definitions, and values that have not changed, are told again this often: a fresh gmond knows nothing."""
    keep_seconds: float = 600.0
    """gmond forgets what it has not been told for so long: a queue that is no more."""


class _Told(NamedTuple):
    text: str
    value_at: float
    definition_at: float


class Ganglia:
    """Construct it after the fork. `tick` never blocks and never raises."""

    def __init__(
        self,
        address: Address,
        prefix: str,
        *,
        limit: int,
        spoof: str | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit`: most metrics. `spoof`: `ADDRESS:NAME` of the host to which they shall belong."""
        self.name = f"ganglia {address}"
        self._prefix = prefix
        self._limit = limit
        self._spoof = spoof
        self._timing = timing or Timing()
        self._clock = clock
        self._figures = Figures(with_sites=True)
        self._places = Places(limit - 1)
        self._resolver = Resolver(address, clock)
        self._socket: socket.socket | None = None
        self._target: Found | None = None
        self._line: deque[bytes] = deque()
        self._told: dict[str, _Told] = {}
        self._round_at = float("-inf")
        self._failure = ""
        self.left_out = 0
        """Metrics that are not told, for want of places."""
        self.sent = 0
        """Datagrams."""

    @property
    def problem(self) -> str:
        """Why nothing, or not everything, is told at present; empty = it is."""
        if found := self._resolver.problem or self._failure:
            return found
        return (
            f"there are more metrics than telemetry.ganglia_limit ({self._limit}): some queues or sites are left out"
            if self.left_out
            else ""
        )

    def tick(self, view: DaemonView) -> None:
        """Send what is due, and no more than a burst of it."""
        connection = self._current_socket()
        if connection is None:
            return
        now = self._clock()
        if not self._line and now >= self._round_at:
            spent = time.thread_time()
            self._line_up(view, now)
            pause = min((time.thread_time() - spent) * COST_SHARE, self._timing.repeat_seconds)
            self._round_at = now + max(self._timing.round_seconds, pause)
        for _ in range(min(BURST, len(self._line))):
            if not self._send(connection, self._line[0]):
                return
            self._line.popleft()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _line_up(self, view: DaemonView, now: float) -> None:
        sender = Sender(self._spoof, is_spoofed=True) if self._spoof else Sender(view.host)
        numbers = self._numbers(view, now)
        chosen, self.left_out = self._places.choose(numbers)
        left_out = f"daemon.{part(view.name)}.{part(view.host)}.{LEFT_OUT}"
        numbers[left_out] = self.left_out
        before, self._told = self._told, {}
        for name in (*chosen, left_out):
            metric = describe(name, self._prefix)
            if metric is not None and len(metric.name) <= NAME_LIMIT:
                self._told[name] = self._line_up_one(sender, metric, numbers[name], before.get(name), now)

    def _line_up_one(self, sender: Sender, metric: Definition, number: float, told: _Told | None, now: float) -> _Told:
        """Put what is due of one metric into the line; what is known of it then."""
        timing, text = self._timing, written(metric, number)
        is_due = told is None or now - told.definition_at >= timing.repeat_seconds
        if is_due:
            keep = max(1, round(timing.keep_seconds))
            tmax = max(1, round(timing.repeat_seconds))
            self._line.append(packets.definition(sender, metric, tmax_seconds=tmax, dmax_seconds=keep))
        if told is None or is_due or text != told.text or now - told.value_at >= timing.repeat_seconds:
            self._line.append(packets.value(sender, metric.name, text))
            return _Told(text, now, now if told is None or is_due else told.definition_at)
        return told

    def _numbers(self, view: DaemonView, now: float) -> dict[str, float]:
        """Every figure that could be told, by its name without the prefix."""
        figures = self._figures
        figures.increments(view)
        figures.durations(now)
        gauges = figures.gauges(view, now)
        numbers: dict[str, float] = {}
        if figures.has_begun:
            there = {subject_of(name) for name in gauges if not name.startswith("daemon.")}
            numbers.update((f"{subject}.{counter}", 0) for subject in there for counter in FROM_THE_FIRST)
            totals = figures.totals().items()
            numbers.update((name, total) for name, total in totals if subject_of(name) in there)
        numbers.update(gauges)
        return numbers

    def _send(self, connection: socket.socket, datagram: bytes) -> bool:
        """Whether the next one may follow."""
        assert self._target is not None
        try:
            connection.sendto(datagram, (self._target.host, self._target.port))
        except BlockingIOError:
            return False  # its buffer is full: go on at the next tick
        except OSError as error:
            self._failure = error.strerror or str(error)
            self._line.clear()
            self._told.clear()  # nothing of it has been told
            return False
        self._failure = ""
        self.sent += 1
        return True

    def _current_socket(self) -> socket.socket | None:
        found = self._resolver.current()
        if found is None:
            return self._socket
        self.close()
        self._target = found
        with suppress(OSError):  # no descriptor is free: try again at the next tick
            self._socket = socket.socket(socket.AF_INET6 if found.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._told.clear()  # another gmond, which knows nothing yet
            return self._socket
        self._resolver.forget()
        return None

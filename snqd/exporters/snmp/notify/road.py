"""A target and the way there: its address, looked up now and then, and a socket on which only it is heard."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from snqd.config.addresses import Address
from snqd.exporters.resolving import Resolver
from snqd.exporters.snmp.answering import MESSAGE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.counters import Counters
    from snqd.exporters.snmp.notify.target import Target

_AT_ONCE: Final = 32
_PATIENCE_SECONDS: Final = 5.0
"""A name may take so long to be found before that is a problem."""


class Road:
    """Belongs to the agent's loop. `on_answer` is called when something came that `turn` should know of."""

    def __init__(
        self, target: Target, counters: Counters, clock: Callable[[], float], on_answer: Callable[[], None]
    ) -> None:
        self.target = target
        self.address = Address(target.settings.host, target.settings.port)
        self.is_changed = False
        """Whether there is something to be kept. For the caller to set back."""
        self._counters = counters
        self._clock = clock
        self._on_answer = on_answer
        self._resolver = Resolver(self.address, clock)
        self._patient_until = clock() + _PATIENCE_SECONDS
        self._socket: socket.socket | None = None
        self._no_way = ""

    @property
    def problem(self) -> str:
        """In words; empty = none is known."""
        if self._socket is not None:
            return self.target.problem
        if self._no_way or self._clock() < self._patient_until:
            return self._no_way
        return self._resolver.problem.removeprefix(f"{self.address}: ")

    @property
    def due(self) -> float:
        return self.target.due if self._socket is not None else float("inf")

    def turn(self, now: float) -> None:
        """Send what is due."""
        place = self._resolver.current()
        if place is not None:
            self._open((place.host, place.port), socket.AF_INET6 if place.is_ipv6 else socket.AF_INET)
        if self._socket is None:
            return
        self.target.settle(now)
        if self.target.due <= now:
            self.target.turn(now, self._send)
            self.is_changed = True

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _open(self, place: tuple[str, int], family: socket.AddressFamily) -> None:
        self.close()
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            opened.connect(place)
        except OSError as error:  # no way to there now, and perhaps one in a while
            opened.close()
            self._no_way = error.strerror or str(error)
            self._resolver.forget()
            return
        self._socket, self._no_way = opened, ""
        asyncio.get_running_loop().add_reader(opened.fileno(), self._read)

    def _read(self) -> None:
        assert self._socket is not None, "what is closed is not read"
        now, is_answered = self._clock(), False
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(MESSAGE_LIMIT + 1)
            except BlockingIOError:
                break
            except OSError:
                self.target.refused(now)
                is_answered = True
                continue
            self._counters.in_pkts += 1
            if len(data) <= MESSAGE_LIMIT:
                is_answered |= self.target.take(data, now)
        if is_answered:
            self.is_changed = True
            self._on_answer()

    def _send(self, data: bytes) -> str:
        """What is wrong, in words."""
        assert self._socket is not None, "there is nothing to send before"
        problem = ""
        for _ in range(2):  # an error of an earlier message is told here
            try:
                self._socket.send(data)
            except ConnectionRefusedError as error:
                problem = error.strerror or str(error)
                self.target.refused(self._clock())
            except OSError as error:
                return error.strerror or str(error)
            else:
                self._counters.out_pkts += 1
                self._counters.out_traps += not self.target.settings.is_inform
                return ""
        return problem

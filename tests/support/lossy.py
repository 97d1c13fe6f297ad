"""A bad network between two real sockets: a UDP proxy that drops, repeats, reorders and spoils, by a seeded generator.

    with LossyProxy("127.0.0.1:5480", seed=1) as network:
        feed = Feed([network.address], …)
        …
        network.be_calm()

It works both ways, in a thread of its own; each client has a socket of its own towards the target, so the target sees
as many addresses as there are clients. Spoiled datagrams are only harmless where a key lets the receiver see it: a real
network has the checksum of UDP, which is right again behind this proxy.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from snqd.telemetry import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUFFER_BYTES = 4 * 1024 * 1024
_LONGEST_READ = 65536


@dataclass(frozen=True)
class Weather:
    """Shares of all datagrams, 0 to 1, each drawn by itself."""

    drop: float = 0.2
    repeat: float = 0.2
    reorder: float = 0.2
    """Held back by up to `delay_seconds`, while others pass."""
    corrupt: float = 0.0
    """A byte is changed, or the end is missing."""
    delay_seconds: float = 0.03


CALM = Weather(0.0, 0.0, 0.0, 0.0)
STORM = Weather()
SPOILING = Weather(corrupt=0.2)
"""Use it with a key."""
DEAD = Weather(drop=1.0)


class Dice:
    """What becomes of each datagram. Pure: the same seed gives the same fates."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()

    def fates(self, data: bytes, weather: Weather) -> Iterator[tuple[float, bytes]]:
        """Delay in seconds and bytes of every copy that arrives: none, one or two."""
        draw = self._random.random
        self.counts["taken"] += 1
        if draw() < weather.drop:
            self.counts["dropped"] += 1
            return
        is_repeated = draw() < weather.repeat
        self.counts["repeated"] += is_repeated
        for _ in range(1 + is_repeated):
            is_late = draw() < weather.reorder
            is_spoiled = draw() < weather.corrupt
            self.counts["reordered"] += is_late
            self.counts["corrupted"] += is_spoiled
            yield draw() * weather.delay_seconds if is_late else 0.0, self._spoiled(data) if is_spoiled else data

    def _spoiled(self, data: bytes) -> bytes:
        if not data or self._random.random() < 0.2:
            return data[: len(data) // 2]
        at = self._random.randrange(len(data))
        return data[:at] + bytes((data[at] ^ (1 << self._random.randrange(8)),)) + data[at + 1 :]


class LossyProxy:
    """Listens at `address` and passes on to `target`, and back."""

    def __init__(self, target: str, *, seed: int, weather: Weather = STORM) -> None:
        self.weather = weather
        self._dice = Dice(seed)
        self._target = addresses.places(*addresses.parse(target))[0]
        self._front = self._socket()
        self._front.bind((_loopback(self._target.family), 0))
        self.address = addresses.written(self._front.getsockname())
        self._clients: dict[Any, socket.socket] = {}
        self._behind: dict[int, tuple[Any, socket.socket]] = {}
        self._held: list[tuple[float, int, socket.socket, bytes, Any]] = []
        self._serial = count()
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._run, name="lossy network")
        self._thread.start()

    @property
    def counts(self) -> Counter[str]:
        """taken, dropped, repeated, reordered, corrupted."""
        return self._dice.counts

    def be_calm(self) -> None:
        """From now on everything arrives, once and in order."""
        self.weather = CALM

    def retarget(self, target: str) -> None:
        """Pass on to another address from now on: the daemon has moved."""
        self._target = addresses.places(*addresses.parse(target))[0]
        self._clients = {}

    def close(self) -> None:
        os.write(self._stopper, b"x")
        self._thread.join()
        for each in [self._front, *(behind for _client, behind in self._behind.values())]:
            each.close()
        os.close(self._stop)
        os.close(self._stopper)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _run(self) -> None:
        with select.epoll() as poll:
            poll.register(self._stop, select.EPOLLIN)
            poll.register(self._front, select.EPOLLIN)
            while True:
                wait = self._held[0][0] - time.monotonic() if self._held else 1.0
                ready = [descriptor for descriptor, _events in poll.poll(max(0.0, wait))]
                if self._stop in ready:
                    return
                for descriptor in ready:
                    if descriptor == self._front.fileno():
                        self._forth(poll)
                    else:
                        self._back(descriptor)
                self._release()

    def _forth(self, poll: select.epoll) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(256):
                data, client = self._front.recvfrom(_LONGEST_READ)
                behind = self._clients.get(client)
                if behind is None:
                    behind = self._clients[client] = self._socket()
                    behind.connect(self._target.address)
                    self._behind[behind.fileno()] = (client, behind)
                    poll.register(behind, select.EPOLLIN)
                self._pass(behind, data, None)

    def _back(self, descriptor: int) -> None:
        client, behind = self._behind[descriptor]
        try:
            for _ in range(256):
                self._pass(self._front, behind.recv(_LONGEST_READ), client)
        except OSError:  # nothing more, or nobody listens there now
            return

    def _pass(self, through: socket.socket, data: bytes, to: Any) -> None:
        for delay, copy in self._dice.fates(data, self.weather):
            if delay:
                heappush(self._held, (time.monotonic() + delay, next(self._serial), through, copy, to))
            else:
                _send(through, copy, to)

    def _release(self) -> None:
        now = time.monotonic()
        while self._held and self._held[0][0] <= now:
            _due, _serial, through, data, to = heappop(self._held)
            _send(through, data, to)

    def _socket(self) -> socket.socket:
        made = socket.socket(self._target.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        return made


def _send(through: socket.socket, data: bytes, to: Any) -> None:
    with contextlib.suppress(OSError):
        if to is None:
            through.send(data)
        else:
            through.sendto(data, to)


def _loopback(family: int) -> str:
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"

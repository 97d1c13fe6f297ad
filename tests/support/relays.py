"""Real relays and feeds on loopback, driven by one loop: the test says until when."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from snqd.hub.relay import Relay
from snqd.telemetry.subscription import Subscription
from snqd.telemetry.wire import Datagram, unpack
from tests.support.telemetry import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AnyFact
    from snqd.telemetry.fleet import Fleet


class Turning(Protocol):
    """A relay or a feed: both have a descriptor, and a turn that says when the next one is due."""

    def fileno(self) -> int: ...


def drive(*parts: Turning, until: Callable[[], object], seconds: float = 10.0) -> None:
    """Turn `parts` until something is so; `AssertionError` when it did not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        wait = min(turned(part) for part in parts)
        if until():
            return
        assert time.monotonic() < deadline, f"not so after {seconds} s: {until}"
        select.select(parts, [], [], min(wait, 0.05))


def pass_time(*parts: Turning, seconds: float) -> None:
    """Turn `parts` for a while."""
    end = time.monotonic() + seconds
    drive(*parts, until=lambda: time.monotonic() >= end, seconds=seconds + 10.0)


def turned(part: Any) -> float:
    return float(part.tick() if hasattr(part, "tick") else part.turn())


def relay(*, sender: int = HEADER.sender, **options: Any) -> Relay:
    """An open relay on a free port of loopback. Close it."""
    made = Relay(msgspec.structs.replace(HEADER, sender=sender), **{"listen": "127.0.0.1:0", **options})
    made.open()
    return made


def view(fleet: Fleet) -> DaemonView:
    """Of the one daemon."""
    (found,) = fleet.daemons.values()
    return found


def told(fleet: Fleet) -> dict[object, AnyFact]:
    """Every fact but the events that the fleet has of the one daemon."""
    if not fleet.daemons:
        return {}
    found = view(fleet)
    tables = (
        found.workers, found.flows, found.depths, found.queues, found.alarms, found.memory, found.canaries,
        found.counters, found.pauses, found.connections, found.limits, found.schedules,
    )  # fmt: skip
    facts: list[AnyFact] = [fact for table in tables for fact in table.values()]
    facts += [fact for fact in (found.daemon, found.store) if fact is not None]
    return {(type(fact), fact.key): fact for fact in facts}


def known(hub: Relay) -> dict[object, AnyFact]:
    """The same, of the daemon's side."""
    return {(type(entry.fact), entry.fact.key): entry.fact for entry in hub.outbox.everything()}


class PlainMonitor:
    """Subscribes with a socket of the usual size, and comes to empty it every `every_seconds`."""

    def __init__(self, address: str, *, key: bytes | None = None, every_seconds: float = 0.01) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.connect((host, int(port)))
        self.subscription = Subscription(key, 4.0)
        self.subscription.begin(time.monotonic())
        self.datagrams: list[Datagram] = []
        self.bytes = 0
        self._key = key
        self._every = every_seconds
        self._next = 0.0

    def fileno(self) -> int:
        return self.socket.fileno()

    def turn(self) -> float:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            self._drain(now)
            self._send(self.subscription.due(now))
        return 0.001

    def lost(self) -> int:
        """Datagrams whose numbers are missing."""
        numbers = {each.header.sequence for each in self.datagrams}
        return max(numbers, default=0) - len(numbers)

    def close(self) -> None:
        self.socket.close()

    def _drain(self, now: float) -> None:
        while True:
            try:
                data = self.socket.recv(2048)
            except OSError:
                return
            found = unpack(data, self._key)
            if isinstance(found, Datagram) and found.header.session == self.subscription.nonce:
                self.datagrams.append(found)
                self.bytes += len(data)
                self.subscription.heard(now)
            else:
                self._send(self.subscription.handle(data, now))

    def _send(self, message: bytes | None) -> None:
        if message is not None:
            self.socket.send(message)


def free_ports(count: int) -> Sequence[int]:
    """UDP ports of loopback that nobody has now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports

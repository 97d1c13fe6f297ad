"""The UDP ear: a socket at which the pings of legacy daemons arrive (`legacy.py`), here or in the monitor.

Works under any loop that watches a descriptor: `turn` takes what is there, at most `BURST` at a time, so that a flood
cannot keep the loop from its other work. Nothing is ever answered, so nobody can be flooded through us.
"""

from __future__ import annotations

import contextlib
import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from snqd.telemetry.legacy import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from snqd.telemetry.legacy import LegacySenders

    Network = IPv4Network | IPv6Network

BURST: Final = 256
"""Most pings of one turn."""
_BUFFER_BYTES: Final = 1024 * 1024
_KNOWN_LIMIT: Final = 1024


class Believed:
    """Whose pings count. `networks` empty = everybody's."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = networks
        self._known: dict[str, bool] = {}
        self.refused = 0
        """Pings of others."""

    def admits(self, address: str) -> bool:
        """Whether the sender at `address`, as `canonical` writes it, is believed. Counts those who are not."""
        if not self._networks:
            return True
        found = self._known.get(address)
        if found is None:
            found = self._looked_up(address)
            if len(self._known) < _KNOWN_LIMIT:
                self._known[address] = found
        self.refused += not found
        return found

    def _looked_up(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def canonical(address: str) -> str:
    """A sender's address, written in one way: an IPv4 sender is the same one when it reaches an IPv6 socket."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address):
            return str(ip.ipv4_mapped or ip)
    return address


class UdpEar:
    """Give it an address; `open`, then `turn` whenever `fileno` is readable, or `attach` it to an asyncio loop."""

    def __init__(self, address: tuple[str, int], senders: LegacySenders, believed: Believed | None = None) -> None:
        self._address = address
        self._senders = senders
        self._socket: socket.socket | None = None
        self.believed = believed or Believed()
        self.bound: tuple[str, int] | None = None
        """Where it listens, once it is open."""
        self.received = 0
        """Datagrams."""
        self.not_understood = 0

    def open(self) -> tuple[str, int]:
        """Listen; the address, with the port that was chosen when it was 0. Raises `OSError`."""
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        ear = socket.socket(family, kind, protocol)
        try:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            ear.setblocking(False)
            ear.bind(address)
        except BaseException:
            ear.close()
            raise
        self._socket = ear
        host, port, *_ = ear.getsockname()
        self.bound = (str(host), int(port))
        return self.bound

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def turn(self, now: float) -> int:
        """Take what has arrived; how many datagrams. Never blocks. `now`: epoch seconds."""
        ear = self._socket
        if ear is None:
            return 0
        for count in range(BURST):
            try:
                body, sender = ear.recvfrom(BODY_LIMIT + 1)
            except BlockingIOError:
                return count
            except OSError:  # what ICMP tells of a datagram that we never sent
                continue
            self.received += 1
            address = canonical(sender[0])
            if self.believed.admits(address) and not self._senders.take(body, address, now):
                self.not_understood += 1
        return BURST

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

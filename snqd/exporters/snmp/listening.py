"""The agent's port: opened when the daemon starts, so that what is wrong is told then, and kept over respawns."""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING, Final

from snqd.config.addresses import parse_address
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_BUFFER_BYTES: Final = 1024 * 1024
_PATIENCE_SECONDS: Final = 3.0
"""The processes of a daemon that was killed leave within two seconds, and have its port until then."""
_LOOK_SECONDS: Final = 0.1
_PRIVILEGED: Final = 1024


class Ports:
    """The sockets of one daemon, by address. After a reload the old one stays until the new hub has taken over."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def open(self, listen: str) -> int:
        """The descriptor of the socket that is bound to `HOST:PORT`. Raises `ConfigError`."""
        if listen not in self._sockets:
            self._sockets[listen] = bind(listen)
        return self._sockets[listen].fileno()

    def keep_only(self, listen: str) -> None:
        """Close all others; an empty `listen` closes all."""
        for address in [address for address in self._sockets if address != listen]:
            self._sockets.pop(address).close()


def bind(
    listen: str, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> socket.socket:
    """A socket that does not block. Waits a little for a port that is taken. Raises `ConfigError`, in words."""
    address = parse_address(listen, low=1)
    deadline = clock() + _PATIENCE_SECONDS
    while True:
        try:
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
            )
            return _bound(found[0][0], found[0][4])
        except OSError as error:
            if error.errno == errno.EADDRINUSE and clock() < deadline:
                sleep(_LOOK_SECONDS)
                continue
            hint = ""
            if error.errno == errno.EADDRINUSE:
                hint = ": which program has it says 'ss -ulpn', another port will do as well"
            if error.errno == errno.EACCES and address.port < _PRIVILEGED:
                hint = ": ports below 1024 need the capability CAP_NET_BIND_SERVICE, 1161 does not"
            raise ConfigError(
                f"snmp.listen is {listen}: cannot listen there: {error.strerror or error}{hint}"
            ) from error


def _bound(family: int, place: object) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        opened.bind(place)  # type: ignore[arg-type]  # what getaddrinfo gave for this family
    except OSError:
        opened.close()
        raise
    return opened

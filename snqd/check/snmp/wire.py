"""Datagrams to one host and back."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 1161
"""Where an agent listens, unless it is told otherwise."""
_LARGEST = 65535


class Host(NamedTuple):
    """`name`: a name or an address, IPv6 without its brackets."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def parse_host(text: str) -> Host:
    """Understand `HOST`, `HOST:PORT`, `ADDRESS6` and `[ADDRESS6]:PORT`. Raises `ValueError`."""
    name, colon, digits = text, "", ""
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        _before, colon, digits = rest.partition(":")
        if not bracket or _before:
            raise ValueError(f"{text!r} is no HOST or HOST:PORT")
    elif text.count(":") == 1:
        name, colon, digits = text.partition(":")
    port = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 0
    if not name or any(not sign.isprintable() or sign.isspace() for sign in name):
        raise ValueError(f"{text!r} is no HOST or HOST:PORT")
    if colon and not 0 < port < 65536:
        raise ValueError(f"{text!r}: the port must be 1 to 65535")
    return Host(name, port if colon else PORT)


class Wire:
    """Sends to the addresses of a host in turn, IPv4 first, until one of them answers."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._places = sorted(_addresses(host), key=lambda place: place[0] != socket.AF_INET)
        self._is_settled = False
        self._socket: socket.socket | None = None

    def send(self, data: bytes) -> None:
        """To the address that answers, or to the next one. Raises `SnqdError` when there is none left."""
        while True:
            try:
                if self._socket is None:
                    family, address = self._places[0]
                    self._socket = socket.socket(family, socket.SOCK_DGRAM)
                    self._socket.connect(address)
                self._socket.send(data)
            except OSError as error:
                self._give_up(error)
            else:
                return

    def receive(self, seconds: float) -> bytes | None:
        """What comes from there; None: nothing does in time, or the address is not one that answers."""
        assert self._socket is not None, "nothing was asked"
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(_LARGEST)
        except TimeoutError:
            if not self._is_settled:
                self._turn_to_next()
            return None
        except OSError as error:
            self._give_up(error)
            return None

    def settle(self) -> None:
        """This address answers."""
        self._is_settled = True

    def _turn_to_next(self) -> None:
        if len(self._places) > 1:
            self._places.append(self._places.pop(0))
            self.close()

    def _give_up(self, error: OSError) -> None:
        self.close()
        del self._places[0]
        if not self._places:
            raise SnqdError(f"{self._host}: {error.strerror or error}: is there an agent?") from error

    def close(self) -> None:
        """Until something is sent."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _addresses(host: Host) -> Sequence[tuple[int, Any]]:
    """Family and address for `connect`. Raises `SnqdError`."""
    try:
        return _look_up(host, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # a name then
    import threading  # only the process's clock ends a look-up that hangs, and that has to find us out of it

    found: list[Sequence[tuple[int, Any]]] = []
    problems: list[OSError] = []

    def look() -> None:
        try:
            found.append(_look_up(host, 0))
        except (OSError, UnicodeError) as error:
            problems.append(error if isinstance(error, OSError) else OSError("no name of a host"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join()
    if problems:
        raise SnqdError(f"host {host.name!r}: {problems[0].strerror or problems[0]}")
    return found[0]


def _look_up(host: Host, flags: int) -> Sequence[tuple[int, Any]]:
    found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_DGRAM, flags=flags)
    return [(family, address) for family, _kind, _protocol, _name, address in found]

"""Addresses of UDP as people write them, and what they stand for. Names are looked up without holding anybody up."""

from __future__ import annotations

import socket
import threading
from typing import Any, Final, NamedTuple

PORT: Final = 5480
"""Where a daemon listens unless told otherwise, or the next free one up to `LAST_PORT`."""
LAST_PORT: Final = 5499


class Place(NamedTuple):
    """What a name stands for."""

    family: int
    address: tuple[Any, ...]

    def __str__(self) -> str:
        return written(self.address)


def parse(text: str, *, default_port: int | None = PORT) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[V6]:PORT`, `HOST` or any of them after `udp://`. Raises `ValueError` in words."""
    rest = text.removeprefix("udp://").rstrip("/")
    if "://" in rest:
        raise ValueError(f"{text}: only udp:// addresses are known here")
    if rest.startswith("["):
        host, closed, after = rest[1:].partition("]")
        if not closed or (after and not after.startswith(":")):
            raise ValueError(f"{text}: expected [ADDRESS]:PORT")
        port = after[1:]
    elif rest.count(":") > 1:  # an IPv6 address alone
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if not host:
        raise ValueError(f"{text}: expected HOST:PORT")
    if not port and default_port is not None:
        return host, default_port
    if not (port.isascii() and port.isdigit() and 0 <= int(port) <= 65535):
        raise ValueError(f"{text}: expected HOST:PORT with a port from 0 to 65535")
    return host, int(port)


def written(address: tuple[Any, ...]) -> str:
    """A socket's address as `HOST:PORT`."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def places(host: str, port: int, *, is_numeric: bool = False, is_passive: bool = False) -> list[Place]:
    """What host and port stand for. Asks the system's resolver, which may take seconds unless `is_numeric`.

    Raises `OSError` if there is no such host, or if it is not numeric and had to be.
    """
    flags = (socket.AI_NUMERICHOST if is_numeric else 0) | (socket.AI_PASSIVE if is_passive else 0)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    except UnicodeError as error:  # a label of more than 63 characters
        raise OSError(f"{host!r} is not a host name") from error
    return [Place(family, address) for family, _type, _protocol, _name, address in found]


class Lookup:
    """Looks up one host in a thread of its own, unless it is numeric. `places` is None until the answer is there."""

    def __init__(self, host: str, port: int) -> None:
        self.places: list[Place] | None = None
        self.problem = ""
        """In words, when `places` is empty."""
        self.is_numeric = True
        try:
            self.places = places(host, port, is_numeric=True)
        except OSError:
            self.is_numeric = False
            threading.Thread(target=self._run, args=(host, port), name=f"lookup of {host}", daemon=True).start()

    def _run(self, host: str, port: int) -> None:
        try:
            found = places(host, port)
        except OSError as error:
            self.problem = error.strerror or str(error)
            found = []
        self.places = found

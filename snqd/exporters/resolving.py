"""Where a server is now: names are looked up once in a while, in a thread that nobody waits for."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.addresses import Address

AGAIN_SECONDS: Final = 60.0
"""How often a name is looked up, whether it was found or not."""


class Found(NamedTuple):
    """`host` in numbers."""

    host: str
    port: int
    is_ipv6: bool


class Resolver:
    """An address in numbers is known at once; a name when it has been found. IPv4 is preferred, as in the field."""

    def __init__(
        self, address: Address, clock: Callable[[], float], look_up: Callable[[Address], Found] | None = None
    ) -> None:
        self._address = address
        self._clock = clock
        self._look_up = look_up or find
        self._answer: Found | str | None = None
        self._told: Found | None = None
        self._thread: threading.Thread | None = None
        self._asked_at = float("-inf")
        self.problem = f"{address}: not looked up yet"
        self._is_number = False
        with contextlib.suppress(OSError):
            self._answer = _in_numbers(address)
            self._is_number = True

    def current(self) -> Found | None:
        """Where the server is, when that is news; None = as before, or not known yet. Never blocks."""
        if not self._is_number and self._clock() - self._asked_at >= AGAIN_SECONDS:
            self._ask()
        answer = self._answer
        if isinstance(answer, str):
            self.problem = answer if self._told is None else ""
            return None
        if answer is None or answer == self._told:
            return None
        self._told = answer
        self.problem = ""
        return answer

    def forget(self) -> None:
        """Let `current` tell it once more."""
        self._told = None

    def _ask(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return  # name servers can take minutes to say nothing
        self._asked_at = self._clock()
        self._thread = threading.Thread(target=self._run, name="exporter name", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread to be had now
            self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._look_up(self._address)
        except (OSError, UnicodeError) as error:
            self._answer = f"{self._address}: {getattr(error, 'strerror', None) or error}"


def find(address: Address) -> Found:
    """Look a name up. Blocks. Raises `OSError`."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
    return Found(str(place[0]), int(place[1]), family == socket.AF_INET6)


def _in_numbers(address: Address) -> Found:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, _, _, _, place = found[0]
    return Found(str(place[0]), int(place[1]), family == socket.AF_INET6)

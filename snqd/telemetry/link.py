"""`Link`: the way to one hub. Looks its name up, owns the socket, and keeps a `Subscription` going on it."""

from __future__ import annotations

import contextlib
import select
import socket
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry import addresses
from snqd.telemetry.addresses import Lookup
from snqd.telemetry.subscription import State, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.addresses import Place
    from snqd.telemetry.subscription import Subscription

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Asked of the system for each socket; it may grant less."""
LONGEST_READ: Final = 2048
_LOOKUP_AGAIN_SECONDS: Final = 15.0
_LOOKUP_POLL_SECONDS: Final = 0.05
_NEXT_PLACE_SECONDS: Final = 2.0
"""A name may stand for several addresses: the next is tried when one is silent for so long."""
_SAME_PLACE_SECONDS: Final = 10.0
"""The only address gets a fresh socket after so long: this host may have moved to another network."""


class Link:
    """One hub, named by `address`. Never raises for what the network does."""

    def __init__(
        self,
        address: str,
        subscription: Subscription,
        poll: select.epoll,
        now: float,
        *,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.address = address
        self.began = now
        self.subscription = subscription
        self.descriptor = -1
        """Of the socket, registered in `poll`; -1 = there is none now."""
        self.source = address
        """The hub's address in numbers, as far as it is known."""
        self._host, self._port = addresses.parse(address)
        self._poll = poll
        self._buffer_bytes = buffer_bytes
        self._socket: socket.socket | None = None
        self._places: list[Place] = []
        self._place = -1
        self._opened_at = -inf
        self._looked_up_at = now
        self._lookup: Lookup | None = Lookup(self._host, self._port)
        self._problem = ""
        self._trouble = Trouble.NONE  # of the problem

    def tick(self, now: float) -> None:
        """Send what is due."""
        self._finish_lookup(now)
        if self._is_stuck(now):
            self._open_next(now)
        message = self.subscription.due(now)
        if message is not None:
            self.send(message, now)

    def next_at(self, now: float) -> float:
        """When `tick` wants to be called, at the latest."""
        if self._lookup is not None:
            return now + _LOOKUP_POLL_SECONDS
        if self._socket is None:
            return now + 1.0
        return self.subscription.next_at

    def received(self, now: float, most: int) -> Iterator[bytes]:
        """What has come, up to `most` datagrams."""
        for _ in range(most):
            if self._socket is None:
                return
            try:
                yield self._socket.recv(LONGEST_READ)
            except BlockingIOError:
                return
            except OSError as error:
                self._network_says(error, now)

    def send(self, message: bytes, now: float) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(message)
        except BlockingIOError:
            pass  # a full buffer: it is sent again when no answer comes
        except OSError as error:
            self._network_says(error, now)

    def words(self, now: float) -> str:
        """The state of the way to this hub, for a person."""
        if self._problem:
            return self._problem
        return self.subscription.words(now) if self._socket is not None else f"looking up {self._host}"

    @property
    def trouble(self) -> Trouble:
        if self._problem:
            return self._trouble
        return self.subscription.trouble if self._socket is not None else Trouble.LOOKING_UP

    def close(self, now: float) -> None:
        """Say bye, and close the socket."""
        message = self.subscription.close(now)
        if message is not None:
            self.send(message, now)
        self._close_socket()

    def _finish_lookup(self, now: float) -> None:
        if self._lookup is None:
            if self._socket is None and now >= self._looked_up_at + _NEXT_PLACE_SECONDS:
                self._look_up(now)
            return
        if self._lookup.places is None:
            return
        found, problem, self._lookup = self._lookup.places, self._lookup.problem, None
        if found:
            self._places, self._place = found, -1
            self._open_next(now)
        elif self._socket is None:
            self._problem = f"cannot resolve {self._host}: {problem}"
            self._trouble = Trouble.UNRESOLVED

    def _look_up(self, now: float) -> None:
        self._looked_up_at = now
        self._lookup = Lookup(self._host, self._port)

    def _is_stuck(self, now: float) -> bool:
        if self._socket is None or self.subscription.state in (State.RECEIVING, State.REFUSED):
            return False
        patience = _NEXT_PLACE_SECONDS if len(self._places) > 1 else _SAME_PLACE_SECONDS
        return now >= self._opened_at + patience

    def _open_next(self, now: float) -> None:
        """Try the next address with a fresh socket. After the last one, look the name up again, not too often."""
        if self._place + 1 >= len(self._places) and now >= self._looked_up_at + _LOOKUP_AGAIN_SECONDS:
            self._look_up(now)
            if self._lookup is not None and self._lookup.places is None:
                self._opened_at = now
                return
        self._place = (self._place + 1) % len(self._places)
        place = self._places[self._place]
        self._close_socket()
        self._opened_at = now
        opened = None
        try:
            opened = socket.socket(place.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
            opened.connect(place.address)
        except OSError as error:
            if opened is not None:
                opened.close()
            self._problem = f"cannot send to {place}: {error.strerror or error}"
            self._trouble = Trouble.NETWORK
            return
        self._socket, self.descriptor, self._problem = opened, opened.fileno(), ""
        self.subscription.buffer_bytes = opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.source = str(place)
        self._poll.register(self.descriptor, select.EPOLLIN)
        self.subscription.begin(now)

    def _network_says(self, error: OSError, now: float) -> None:
        if isinstance(error, ConnectionRefusedError):
            self.subscription.unreachable(now)
        else:
            self.subscription.unreachable(now, f"cannot send: {error.strerror or error}")

    def _close_socket(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            self._poll.unregister(self.descriptor)
        self._socket.close()
        self._socket, self.descriptor = None, -1

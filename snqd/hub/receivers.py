"""Who is sent to: a `Receiver` with its place in the outbox, and a `Target`, one that is fixed by the configuration."""

from __future__ import annotations

import contextlib
import socket
import time
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from snqd.telemetry import addresses
from snqd.telemetry.addresses import Lookup
from snqd.telemetry.wire import Header, fill, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snqd.telemetry.cursor import Cursor

_PULSE_SECONDS: Final = 1.0
"""An empty datagram says that the hub lives, when there has been nothing to tell for so long."""
_REFUSED_PAUSE_SECONDS: Final = 0.5
_LOOKUP_AGAIN_SECONDS: Final = 60.0
_LOOKUP_FAILED_SECONDS: Final = 5.0
_BUFFER_BYTES: Final = 1024 * 1024


class Receiver:
    """Puts what a cursor gives into numbered datagrams."""

    def __init__(self, cursor: Cursor, header: Header, session: int, key: bytes | None) -> None:
        self.cursor = cursor
        self.session = session
        self._header = header
        self._key = key
        self._sequence = 0
        self._passed_on: dict[tuple[str, str], int] = {}
        self._sent_at = -inf

    @property
    def due(self) -> float:
        """When `serve` has something to send."""
        return min(self.cursor.due, self._pulse_at)

    def serve(self, now: float, send: Callable[[bytes], bool]) -> tuple[int, int]:
        """Send one slice with `send`, which says whether the system took it. How many it took, and how many not.

        What it did not take is lost like any datagram: its number is missing, and the rotation tells it again. So
        is the rest of the slice, which would fare no better.
        """
        sent = unsent = 0
        groups = list(fill(self.cursor.take(now)))
        if not groups and now >= self._pulse_at:
            groups = [[]]
        for group in groups:
            if send(self._packed(group)):
                sent += 1
            else:
                unsent += 1
                break
        if groups:
            self._sent_at = now
        return sent, unsent

    def pass_on(self, header: Header, groups: Iterable[list[bytes]], send: Callable[[bytes], bool]) -> tuple[int, int]:
        """Send what another daemon says, once, under its own name and in a numbering of its own. As `serve`."""
        sent = unsent = 0
        for group in groups:
            number = self._passed_on[header.daemon, header.host] = (
                self._passed_on.get((header.daemon, header.host), 0) + 1
            )
            numbered = msgspec.structs.replace(header, sequence=number, session=self.session)
            if send(pack(numbered, group, self._key)):
                sent += 1
            else:
                unsent += 1
        return sent, unsent

    def restart(self, cursor: Cursor) -> None:
        """Tell everything again from the start; the numbers go on."""
        self.cursor = cursor

    @property
    def _pulse_at(self) -> float:
        return self._sent_at + max(_PULSE_SECONDS, 1 / self.cursor.frames_per_second)

    def _packed(self, group: list[bytes]) -> bytes:
        base = self._header
        self._sequence += 1
        header = Header(
            daemon=base.daemon,
            host=base.host,
            boot=base.boot,
            sender=base.sender,
            sequence=self._sequence,
            sent_at=time.time(),
            session=self.session,
        )
        return pack(header, group, self._key)


class Target:
    """A receiver that did not ask. Its name is looked up now and then; while nobody listens there, little is sent."""

    def __init__(
        self,
        monitor: str,
        new_cursor: Callable[[float], Cursor],
        frames_per_second: float,
        header: Header,
        key: bytes | None,
    ) -> None:
        self._host, self._port = addresses.parse(monitor)
        self._new_cursor = new_cursor
        self._pace = frames_per_second
        self._receiver = Receiver(new_cursor(frames_per_second), header, 0, key)
        self._socket: socket.socket | None = None
        self._place: addresses.Place | None = None
        self._lookup: Lookup | None = None
        self._lookup_at = -inf
        self._is_refused = False
        self._resume_at = -inf

    @property
    def receiver(self) -> Receiver | None:
        """None while there is no way to it, or nobody listened there a moment ago."""
        return None if self._socket is None or self._is_refused else self._receiver

    def tick(self, now: float) -> None:
        self._follow_name(now)
        if self._is_refused:
            if self._resume_at == -inf:
                self._resume_at = now + _REFUSED_PAUSE_SECONDS
            elif now >= self._resume_at:
                self._is_refused, self._resume_at = False, -inf
                self._receiver.restart(self._new_cursor(self._pace))  # who listens now has heard nothing yet

    def send(self, data: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.send(data)
        except ConnectionRefusedError:
            self._is_refused = True
        except OSError:
            pass
        else:
            return True
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _follow_name(self, now: float) -> None:
        if self._lookup is None:
            if now >= self._lookup_at:
                self._lookup = Lookup(self._host, self._port)
            else:
                return
        if self._lookup.places is None:
            return
        found, is_numeric, self._lookup = self._lookup.places, self._lookup.is_numeric, None
        if found and (self._place not in found or self._socket is None):
            self._connect(found[0])
        self._lookup_at = now + (_LOOKUP_AGAIN_SECONDS if self._socket is not None else _LOOKUP_FAILED_SECONDS)
        if is_numeric and self._socket is not None:
            self._lookup_at = inf

    def _connect(self, place: addresses.Place) -> None:
        self.close()
        with contextlib.suppress(OSError):
            opened = socket.socket(place.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                opened.connect(place.address)
            except OSError:
                opened.close()
                raise
            self._socket, self._place = opened, place
            self._receiver.restart(self._new_cursor(self._pace))

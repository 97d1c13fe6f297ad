"""The relay: the hub's UDP sockets. Sends the outbox to fixed receivers and to subscribers, at a pace each can take.

It owns no loop. `fileno()` becomes readable when something has come; `tick` takes it, sends what is due, and says when
it wants to be called again. Nothing here waits, and nothing that comes from outside raises or costs more than a bounded
time in a turn.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.errors import SnqdError
from snqd.hub.receivers import Receiver, Target
from snqd.telemetry import addresses
from snqd.telemetry.cursor import PAUSE_SECONDS
from snqd.telemetry.outbox import Outbox
from snqd.telemetry.subscribers import Subscribers
from snqd.telemetry.wire import encode_fact, fill

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Sequence

    from snqd.telemetry.facts import AnyFact
    from snqd.telemetry.outbox import FactKey
    from snqd.telemetry.subscribers import Address
    from snqd.telemetry.wire import Datagram, Header

_AT_ONCE: Final = 256
"""Datagrams that are taken in one turn."""
_DATAGRAMS_A_TURN: Final = 160
"""Datagrams that are sent in one turn, over all receivers: many of them get a large state more slowly, in turn."""
_LONGEST_READ: Final = 2048
_IDLE_SECONDS: Final = 0.5
_BUFFER_BYTES: Final = 1024 * 1024
# Constants of Linux that the module socket does not have.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ERROR: Final = struct.Struct("=I")  # the beginning of struct sock_extended_err


class Relay:
    """All receivers of one daemon. Times are seconds of the monotonic clock."""

    def __init__(
        self,
        header: Header,
        *,
        listen: str = "auto",
        monitors: Sequence[str] = (),
        frames_per_second: float = 1.0,
        key: bytes | None = None,
    ) -> None:
        """`header` names the daemon; its `sequence`, `sent_at` and `session` are of no account.

        `listen` is `HOST:PORT`, `auto` or `none`; `monitors` are `udp://HOST:PORT`.
        """
        self.outbox = Outbox()
        self.sent = 0
        """Datagrams with facts, to all receivers."""
        self.unsent = 0
        """Datagrams that the system did not take, because its buffers were full or there was no way."""
        self._header = header
        self._listen = listen
        self._monitors = monitors
        self._pace = frames_per_second
        self._key = key
        self._poll = select.epoll()
        self._socket: socket.socket | None = None
        self._subscribers = Subscribers(key)
        self._receivers: dict[Address, Receiver] = {}
        self._targets: list[Target] = []
        self._served = 0

    def open(self) -> str:
        """Bind, and begin to send. The address at which monitors subscribe; empty = nowhere.

        Raises `SnqdError` or `ValueError`, in words, if the address is not to be had or cannot be read.
        """
        if self._listen != "none":
            self._socket = _bound(self._listen)
            self._poll.register(self._socket, select.EPOLLIN)
        for monitor in self._monitors:
            self._targets.append(Target(monitor, self.outbox.cursor, self._pace, self._header, self._key))
        return self.address

    @property
    def address(self) -> str:
        return addresses.written(self._socket.getsockname()) if self._socket is not None else ""

    def fileno(self) -> int:
        return self._poll.fileno()

    @property
    def bad(self) -> Counter[str]:
        """Datagrams that came in and were of no use, by reason."""
        return self._subscribers.bad

    @property
    def subscribers(self) -> int:
        return len(self._subscribers.live)

    @property
    def frame_seconds(self) -> float:
        """Between two frames of the receiver who wants most; infinite without any."""
        return min((1 / each.cursor.frames_per_second for each in self._everyone()), default=inf)

    def frame_pause(self, now: float) -> float:
        """Seconds until the receiver who wants most may have its next frame; infinite without any.

        What is gathered then goes out at once.
        """
        fastest = max(self._everyone(), key=lambda each: each.cursor.frames_per_second, default=None)
        pause = fastest.cursor.frame_at - now if fastest is not None else inf
        return pause if pause > 0 else self.frame_seconds

    def update(self, facts: Iterable[AnyFact]) -> None:
        """Tell these from now on. Call `tick` afterwards: events do not wait."""
        self.outbox.update(facts)

    def remove(self, keys: Iterable[FactKey]) -> None:
        self.outbox.remove(keys)

    def pass_on(self, datagram: Datagram) -> None:
        """Tell every receiver what another daemon says, one that cannot tell them itself. Nothing of it is kept."""
        groups = list(fill(map(encode_fact, datagram.facts)))
        for receiver, send in self._ways(time.monotonic()):
            sent, unsent = receiver.pass_on(datagram.header, groups, send)
            self.sent += sent
            self.unsent += unsent

    def tick(self, now: float | None = None) -> float:
        """Take what has come, send what is due. How many seconds until it must be called again."""
        now = time.monotonic() if now is None else now
        is_more = self._receive(now)
        self._subscribers.expire(now)
        self._follow_subscribers()
        for target in self._targets:
            target.tick(now)
        self._serve(now)
        if is_more:
            return 0.0
        following = min((each.due for each in self._everyone()), default=now + _IDLE_SECONDS)
        return min(_IDLE_SECONDS, max(PAUSE_SECONDS, following - now))

    def close(self) -> None:
        for target in self._targets:
            target.close()
        if self._socket is not None:
            self._socket.close()
        self._poll.close()

    def _everyone(self) -> list[Receiver]:
        return [*self._receivers.values(), *(target.receiver for target in self._targets if target.receiver)]

    def _receive(self, now: float) -> bool:
        """Whether there may be more to take than one turn allows."""
        if self._socket is None:
            return False
        for _ in range(_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(_LONGEST_READ)
            except BlockingIOError:
                return False
            except OSError:
                self._take_errors(now)
                continue
            answer = self._subscribers.handle(data, address, now)
            if answer is not None:
                with contextlib.suppress(OSError):  # a full buffer: it is asked again
                    self._socket.sendto(answer, address)
        return True

    def _take_errors(self, now: float) -> None:
        """What the network says of datagrams that we sent: nobody listens there any more."""
        assert self._socket is not None
        for _ in range(_AT_ONCE):
            try:
                _data, told, _flags, address = self._socket.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            codes = [_ERROR.unpack_from(data)[0] for _level, _kind, data in told if len(data) >= _ERROR.size]
            if errno.ECONNREFUSED in codes and address:
                self._subscribers.strike(address, now)

    def _follow_subscribers(self) -> None:
        live = self._subscribers.live
        for address in [address for address in self._receivers if address not in live]:
            del self._receivers[address]
        for address, subscriber in live.items():
            receiver = self._receivers.get(address)
            if receiver is None or receiver.session != subscriber.nonce:
                cursor = self.outbox.cursor(subscriber.frames_per_second)
                cursor.buffer_bytes = subscriber.buffer_bytes
                self._receivers[address] = Receiver(cursor, self._header, subscriber.nonce, self._key)
            else:
                receiver.cursor.frames_per_second = subscriber.frames_per_second
                receiver.cursor.buffer_bytes = subscriber.buffer_bytes

    def _serve(self, now: float) -> None:
        """Send a slice to each who is due, beginning after the one who was the last in the turn before."""
        ways = self._ways(now)
        left = _DATAGRAMS_A_TURN
        for step in range(len(ways)):
            receiver, send = ways[(self._served + step) % len(ways)]
            if receiver.due > now:
                continue
            if left <= 0:
                self._served += step
                return
            sent, unsent = receiver.serve(now, send)
            self.sent += sent
            self.unsent += unsent
            left -= sent + unsent

    def _ways(self, now: float) -> list[tuple[Receiver, Callable[[bytes], bool]]]:
        """Everyone who is sent to, and how."""
        ways: list[tuple[Receiver, Callable[[bytes], bool]]] = [
            (receiver, partial(self._send, address=address, now=now)) for address, receiver in self._receivers.items()
        ]
        return ways + [(target.receiver, target.send) for target in self._targets if target.receiver]

    def _send(self, data: bytes, *, address: Address, now: float) -> bool:
        assert self._socket is not None
        for _ in range(2):  # an error of an earlier datagram, to whomever, is told here: try again
            try:
                self._socket.sendto(data, address)
            except BlockingIOError:
                return False
            except OSError:
                self._take_errors(now)
            else:
                return True
        return False


def _bound(listen: str) -> socket.socket:
    """The socket for monitors. `auto`: the first free one of our ports on loopback."""
    if listen != "auto":
        host, port = addresses.parse(listen)
        return _bind(host, port)
    for port in range(addresses.PORT, addresses.LAST_PORT + 1):
        try:
            return _bind("127.0.0.1", port)
        except SnqdError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
                raise
    raise SnqdError(
        f"no UDP port from {addresses.PORT} to {addresses.LAST_PORT} is free on 127.0.0.1: "
        "set telemetry.listen to an address of your choice, or to none"
    )


def _bind(host: str, port: int) -> socket.socket:
    opened = None
    try:
        place = addresses.places(host, port, is_passive=True)[0]
        opened = socket.socket(place.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if place.family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        opened.bind(place.address)
    except OSError as error:
        if opened is not None:
            opened.close()
        where = addresses.written((host, port))
        raise SnqdError(f"cannot listen for monitors at udp {where}: {error.strerror or error}") from error
    return opened

"""`Feed`: the receiving side. Subscribes at any number of hubs, or listens for what is pushed, and folds what comes.

It needs no event loop and fits any: `fileno()` is one descriptor that becomes readable when something has come, for
`select`, or for `loop.add_reader`; `turn` does the rest and says when it wants to be called again:

    feed = Feed(["127.0.0.1:5480"], fleet=fleet)
    while True:
        select.select([feed], [], [], feed.turn())

One hub that is down, silent, or not to be understood does not disturb the others, and `sources` says of each in words
how it is.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter, OrderedDict
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from snqd.errors import SnqdError
from snqd.telemetry import addresses
from snqd.telemetry.link import BUFFER_BYTES, LONGEST_READ, Link
from snqd.telemetry.subscription import SILENCE_SECONDS, State, Subscription, Trouble
from snqd.telemetry.wire import STATE, VERSION, Datagram, Refused, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_AT_ONCE: Final = 256
"""Datagrams of one socket before the others have their turn."""
_A_TURN: Final = 2048
"""Datagrams in one turn: a screen must stay alive whatever comes."""
_TURN_SECONDS: Final = 0.02
"""And so long, after which at most `_AT_ONCE` more are taken."""
_MOST_SENDERS: Final = 256
_KIND_AT: Final = 5
_IDLE_SECONDS: Final = 1.0
CLOCK_SECONDS: Final = 60.0
"""With a key, what is pushed must have been sent within so long by our clock: what somebody recorded and sends again is
not. (Within a conversation the fold passes repetitions over; one of ours has a number that nobody could have known.)
"""
_OTHER_TIME: Final = "other time"
_PUSH_TROUBLES: Final[dict[str, Trouble]] = {
    "version": Trouble.VERSION,
    "not authentic": Trouble.WRONG_KEY,
    "no key here": Trouble.KEY_NEEDED,
    _OTHER_TIME: Trouble.CLOCK,
}


class Fold(Protocol):
    """What datagrams are folded into: a `Fleet`."""

    def apply(self, datagram: Datagram, *, source: str, now: float) -> object: ...


class Source(NamedTuple):
    """How it stands with one address. Moments are of the monotonic clock."""

    address: str
    """As it was given to the feed, or of a sender that pushes."""
    words: str
    """Asking, receiving, silent for 12 s, refused: wrong key, cannot resolve …"""
    is_receiving: bool
    since: float
    """When that began."""
    last_heard: float
    """-inf = never."""
    datagrams: int
    """That were folded."""
    bad: int
    """That were of no use."""
    trouble: Trouble = Trouble.NONE
    """The meaning of `words`, for programs; none while it is receiving."""
    is_pushing: bool = False
    """Whether it is one that pushes, or the place where nobody has pushed anything yet; else it is a hub."""


class Feed:
    """Everything that one monitor receives."""

    def __init__(
        self,
        hubs: Iterable[str] = (),
        *,
        fleet: Fold,
        listen: str | None = None,
        key: bytes | None = None,
        frames_per_second: float = 1.0,
        on_datagram: Callable[[float, bytes], None] | None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """`hubs` and `listen` are `HOST:PORT`. `on_datagram` gets the epoch time and bytes of all that is folded.

        `buffer_bytes` is asked of the system for each socket, which may grant less.
        Raises `ValueError` for an address that cannot be read, `SnqdError` if `listen` is not to be had.
        """
        now = time.monotonic()
        self._key = key
        self._fleet = fleet
        self._on_datagram = on_datagram
        self._poll = select.epoll()
        self._links: list[Link] = []
        self._folded: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._ear: _Ear | None = None
        try:
            for hub in hubs:
                subscription = Subscription(key, frames_per_second)
                self._links.append(Link(hub, subscription, self._poll, now, buffer_bytes=buffer_bytes))
            if listen is not None:
                self._ear = _Ear(listen, now, buffer_bytes)
                self._poll.register(self._ear.socket, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """One descriptor for all sockets, the same for the feed's whole life."""
        return self._poll.fileno()

    @property
    def listens_at(self) -> str:
        """Where pushed datagrams are taken; empty = nowhere."""
        return addresses.written(self._ear.socket.getsockname()) if self._ear is not None else ""

    def turn(self, now: float | None = None) -> float:
        """Take what has come, fold it, and send what is due. How many seconds until it must be called again.

        `now` is of the monotonic clock, and only tests need to give it.
        """
        now = time.monotonic() if now is None else now
        is_more = self._receive(now)
        for link in self._links:
            link.tick(now)
        if is_more:
            return 0.0
        following = min((link.next_at(now) for link in self._links), default=inf)
        return min(_IDLE_SECONDS, max(0.0, following - now))

    def change_pace(self, frames_per_second: float) -> None:
        """Ask all hubs for more or fewer frames a second."""
        for link in self._links:
            link.subscription.change_pace(frames_per_second, time.monotonic())

    def sources(self, now: float | None = None) -> list[Source]:
        """The state of every address, hubs first."""
        now = time.monotonic() if now is None else now
        return [self._source_of(link, now) for link in self._links] + (self._ear.sources(now) if self._ear else [])

    def close(self) -> None:
        """Say bye to all hubs, and close the sockets."""
        for link in self._links:
            link.close(time.monotonic())
        if self._ear is not None:
            self._ear.socket.close()
        self._poll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _receive(self, now: float) -> bool:
        """Whether there is more to take than one turn allows."""
        at, until = time.time(), time.monotonic() + _TURN_SECONDS
        left = _A_TURN
        while left > 0 and time.monotonic() < until:
            ready = {descriptor for descriptor, _events in self._poll.poll(0)}
            if not ready:
                return False
            for link in self._links:
                if link.descriptor in ready:
                    left -= self._drain(link, now, at)
            if self._ear is not None and self._ear.socket.fileno() in ready:
                left -= self._listen(self._ear, now, at)
        return True

    def _drain(self, link: Link, now: float, at: float) -> int:
        taken = 0
        for data in link.received(now, _AT_ONCE):
            taken += 1
            if data[_KIND_AT : _KIND_AT + 1] != bytes((STATE,)):
                answer = link.subscription.handle(data, now)
                if answer is not None:
                    link.send(answer, now)
                continue
            datagram = unpack(data, self._key)
            if isinstance(datagram, Refused):
                self._bad[link.address] += 1
            elif datagram.header.session != link.subscription.nonce:
                self._bad[link.address] += 1  # of another subscription, or of our last one
            else:
                link.subscription.heard(now)
                self._fold(datagram, data, link.address, link.source, now, at)
        return max(1, taken)

    def _listen(self, ear: _Ear, now: float, at: float) -> int:
        for taken in range(_AT_ONCE):
            try:
                data, sender = ear.socket.recvfrom(LONGEST_READ)
            except BlockingIOError:
                return max(1, taken)
            except OSError:
                continue
            name = addresses.written(sender)
            datagram = unpack(data, self._key)
            if isinstance(datagram, Refused):
                ear.refused(name, datagram.reason, now)
            elif datagram.header.session:
                ear.refused(name, "another's subscription", now)
            elif self._key is not None and abs(at - datagram.header.sent_at) > CLOCK_SECONDS:
                ear.refused(name, _OTHER_TIME, now)
            else:
                ear.heard(name, now)
                self._fold(datagram, data, "", name, now, at)
        return _AT_ONCE

    def _fold(self, datagram: Datagram, data: bytes, address: str, source: str, now: float, at: float) -> None:
        self._folded[address] += 1
        if self._on_datagram is not None:
            self._on_datagram(at, data)
        self._fleet.apply(datagram, source=source, now=now)

    def _source_of(self, link: Link, now: float) -> Source:
        subscription = link.subscription
        return Source(
            link.address,
            link.words(now),
            subscription.state == State.RECEIVING,
            max(link.began, subscription.since),
            subscription.last_heard,
            self._folded[link.address],
            self._bad[link.address] + subscription.bad.total(),
            link.trouble,
            is_pushing=False,
        )


class _Sender:
    """One that pushes to us."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.last_heard = -inf
        self.datagrams = 0
        self.bad = 0
        self.reason = ""
        """Why the latest one was of no use; empty = it was."""


class _Ear:
    """The socket that takes what is pushed, and who pushes."""

    def __init__(self, listen: str, now: float, buffer_bytes: int) -> None:
        self.since = now
        self.socket = bound(listen, buffer_bytes)
        is_any_port = addresses.parse(listen)[1] == 0
        self.address = addresses.written(self.socket.getsockname()) if is_any_port else listen
        self.senders: OrderedDict[str, _Sender] = OrderedDict()  # the latest is the last

    def heard(self, name: str, now: float) -> None:
        sender = self._sender(name, now)
        if sender.reason or now >= sender.last_heard + SILENCE_SECONDS:
            sender.since = now
        sender.last_heard, sender.reason = now, ""
        sender.datagrams += 1

    def refused(self, name: str, reason: str, now: float) -> None:
        sender = self._sender(name, now)
        sender.bad += 1
        sender.reason = reason

    def sources(self, now: float) -> list[Source]:
        if not self.senders:
            words = f"listening, nothing has come for {int(now - self.since)} s"
            return [Source(self.address, words, False, self.since, -inf, 0, 0, Trouble.ASKING, is_pushing=True)]
        return [self._source_of(name, sender, now) for name, sender in self.senders.items()]

    def _source_of(self, name: str, sender: _Sender, now: float) -> Source:
        is_receiving = now < sender.last_heard + SILENCE_SECONDS
        words = "receiving" if is_receiving else _push_words(sender, now)
        trouble = Trouble.NONE if is_receiving else _push_trouble(sender)
        counts = sender.datagrams, sender.bad
        return Source(name, words, is_receiving, sender.since, sender.last_heard, *counts, trouble, is_pushing=True)

    def _sender(self, name: str, now: float) -> _Sender:
        found = self.senders.get(name)
        if found is None:
            found = self.senders[name] = _Sender(now)
            if len(self.senders) > _MOST_SENDERS:
                self.senders.popitem(last=False)
        self.senders.move_to_end(name)
        return found


def bound(listen: str, buffer_bytes: int = BUFFER_BYTES) -> socket.socket:
    """A socket that listens at `HOST:PORT`. Raises `ValueError` or `SnqdError`, in words."""
    host, port = addresses.parse(listen)
    opened = None
    try:
        place = addresses.places(host, port, is_passive=True)[0]
        opened = socket.socket(place.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        opened.bind(place.address)
    except OSError as error:
        if opened is not None:
            opened.close()
        raise SnqdError(f"cannot listen at udp {listen}: {error.strerror or error}") from error
    return opened


def _push_words(sender: _Sender, now: float) -> str:
    if sender.reason == "version":
        return f"version mismatch: what comes is not version {VERSION} of the wire"
    if sender.reason == "not authentic":
        return "wrong key: what comes is not authentic with ours"
    if sender.reason == "no key here":
        return "a key is needed: what comes has one, and none was given here"
    if sender.reason == _OTHER_TIME:
        return f"refused: its clock is {CLOCK_SECONDS:g} s and more away from ours, or somebody repeats old datagrams"
    if sender.last_heard == -inf:
        return f"sends what cannot be used: {sender.reason}"
    return f"silent for {int(now - sender.last_heard)} s"


def _push_trouble(sender: _Sender) -> Trouble:
    return _PUSH_TROUBLES.get(sender.reason, Trouble.SILENT if sender.last_heard > -inf else Trouble.UNREADABLE)

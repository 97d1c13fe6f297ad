"""`Subscribers`: the hub's side of subscription. Who may be sent frames, decided without a socket.

Before an address is proven nothing is kept of it, and nothing is sent to it that is longer than what came from it. The
proof is a cookie: a keyed hash, with a secret of this process, of address, nonce and a slot of time. Only who receives
at that address can give it back, and only for some seconds.

A nonce that was a subscription here never becomes one again while its cookies are good: what was overheard and is sent
again after a bye starts nothing.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter, OrderedDict
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

from snqd.telemetry import messages
from snqd.telemetry.allowance import Allowance
from snqd.telemetry.messages import Code, Message
from snqd.telemetry.wire import VERSION, Refused

Address = tuple[Any, ...]
"""As the socket gives it: host and port, for IPv6 with flow and scope."""

LEASE_SECONDS: Final = 10.0
MOST: Final = 64
MOST_PER_HOST: Final = 8
COOKIE_SECONDS: Final = 10.0
"""A slot of time. A cookie is good in its own slot and in the one after it."""
_STRIKES: Final = 3
"""So many times the network may say that nobody listens at an address before its subscription ends."""
_MOST_ENDED: Final = 1024
_STRANGERS: Final = 1024


class Subscriber:
    """One that is sent frames. `frames_per_second` may change, nothing else does but the lease."""

    __slots__ = ("address", "buffer_bytes", "expires", "frames_per_second", "nonce", "strikes")

    def __init__(self, address: Address, nonce: int, frames_per_second: float, expires: float) -> None:
        self.address = address
        self.nonce = nonce
        self.frames_per_second = frames_per_second
        self.buffer_bytes = 0
        self.expires = expires
        self.strikes = 0


class Subscribers:
    """All subscribers of one hub process. Times are seconds of one clock that does not go back."""

    def __init__(self, key: bytes | None, *, secret: bytes | None = None) -> None:
        self.live: dict[Address, Subscriber] = {}
        self.bad: Counter[str] = Counter()
        """Datagrams that were of no use, by reason."""
        self._key = key
        self._secret = secret or os.urandom(32)
        self._ended: OrderedDict[tuple[Address, int], float] = OrderedDict()
        self._refusals = Allowance(per_second=20, burst=40)
        self._strangers: dict[object, Allowance] = {}

    def handle(self, data: bytes, address: Address, now: float) -> bytes | None:
        """Take in a datagram from `address` and give the answer to it, if there is one. Never raises."""
        answer = self._answer(data, address, now)
        return answer if answer is not None and len(answer) <= len(data) else None

    def expire(self, now: float) -> None:
        """End the subscriptions whose lease has run out."""
        for each in [each for each in self.live.values() if each.expires <= now]:
            self._end(each, now)
        while self._ended and next(iter(self._ended.values())) <= now:
            self._ended.popitem(last=False)

    def strike(self, address: Address, now: float) -> None:
        """The network says that nobody listens at `address`. Once may be forged or old; three times are not."""
        found = self.live.get(address)
        if found is not None:
            found.strikes += 1
            if found.strikes >= _STRIKES:
                self._end(found, now)

    def _answer(self, data: bytes, address: Address, now: float) -> bytes | None:
        message = messages.read(data, self._key)
        if isinstance(message, Refused):
            self.bad[message.reason] += 1
            code = messages.code_for(message.reason, data)
            nonce = messages.asked_nonce(data)
            return None if code is None or nonce is None else self._refuse_stranger(code, nonce, address, now)
        if message.kind == messages.ASK:
            return self._challenge(message.nonce, address, now)
        if message.kind == messages.SUBSCRIBE:
            return self._subscribe(message, address, now)
        if message.kind == messages.BYE:
            found = self.live.get(address)
            if found is not None and found.nonce == message.nonce and self._is_good(message, address, now):
                self._end(found, now)
            return None
        self.bad["kind"] += 1  # hubs do not talk to each other: an answer to an answer could go on for ever
        return None

    def _subscribe(self, message: Message, address: Address, now: float) -> bytes | None:
        nonce = message.nonce
        if not self._is_good(message, address, now):
            return self._challenge(nonce, address, now)
        if (address, nonce) in self._ended:
            return messages.refusal(nonce, Code.ENDED, messages.WORDS[Code.ENDED], self._key)
        found = self.live.get(address)
        if found is None or found.nonce != nonce:
            why_not = "" if found else self._why_not(address)
            if why_not:
                return messages.refusal(nonce, Code.FULL, why_not, self._key)
            if found:
                self._end(found, now)  # the same socket has begun again
            found = self.live[address] = Subscriber(address, nonce, 1.0, 0.0)
        found.frames_per_second = _bounded(message.figure)
        found.buffer_bytes = message.buffer_bytes
        found.expires = now + LEASE_SECONDS
        found.strikes = 0
        return messages.granted(nonce, self._cookie(address, nonce, now), LEASE_SECONDS, self._key)

    def _why_not(self, address: Address) -> str:
        if len(self.live) >= MOST:
            return f"the daemon has {MOST} subscribers already, and takes no more"
        if sum(each[0] == address[0] for each in self.live) >= MOST_PER_HOST:
            return f"your address has {MOST_PER_HOST} subscriptions already, and may have no more"
        return ""

    def _end(self, subscriber: Subscriber, now: float) -> None:
        self.live.pop(subscriber.address, None)
        self._ended[(subscriber.address, subscriber.nonce)] = now + 2 * COOKIE_SECONDS
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def _challenge(self, nonce: int, address: Address, now: float) -> bytes:
        return messages.challenge(nonce, self._cookie(address, nonce, now), self._key)

    def _refuse_stranger(self, code: Code, nonce: int, address: Address, now: float) -> bytes | None:
        """Say why, but seldom: nothing is proven of who asked."""
        if len(self._strangers) >= _STRANGERS:
            self._strangers.clear()
        stranger = self._strangers.setdefault(address[0], Allowance(per_second=2, burst=4))
        if not stranger.take(now) or not self._refusals.take(now):
            return None
        text = f"the daemon speaks version {VERSION}" if code == Code.VERSION else messages.WORDS[code]
        return messages.refusal(nonce, code, text, None)

    def _is_good(self, message: Message, address: Address, now: float) -> bool:
        slot = int(now // COOKIE_SECONDS)
        return any(
            hmac.compare_digest(message.cookie, self._cookie_of_slot(address, message.nonce, each))
            for each in (slot, slot - 1)
        )

    def _cookie(self, address: Address, nonce: int, now: float) -> bytes:
        return self._cookie_of_slot(address, nonce, int(now // COOKIE_SECONDS))

    def _cookie_of_slot(self, address: Address, nonce: int, slot: int) -> bytes:
        said = repr((address, nonce, slot)).encode()
        return blake2b(said, key=self._secret, digest_size=messages.COOKIE_BYTES).digest()


def _bounded(frames_per_second: float) -> float:
    if not isfinite(frames_per_second):
        return 1.0
    return min(max(frames_per_second, messages.SLOWEST), messages.FASTEST)

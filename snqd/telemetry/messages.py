"""The messages by which a monitor subscribes at a hub, as bytes.

    monitor                                       hub
      | ask (nonce; padded)                        |
      |------------------------------------------->|   keeps nothing
      |        challenge (nonce, cookie)           |
      |<-------------------------------------------|
      | subscribe (nonce, cookie, pace, buffer)  |
      |------------------------------------------->|   the address is proven: keeps a subscriber
      |        granted (nonce, next cookie, lease) |
      |<-------------------------------------------|
      |        datagrams with facts                |
      |<-------------------------------------------|
      | subscribe (nonce, next cookie …) every 3 s |
      | bye (nonce, cookie)                        |

A `refusal` says why not, with a code and in words. Whatever a hub answers is no longer than what it answers, so nobody
can use one to flood somebody else. With a key, every message ends with a keyed hash; only the refusals for want of a
common key or version go without, since the other side could not check it.

Ask and refusal are for strangers of other versions, too: their nonce, and a refusal's code and text, are at the same
place in every version of the wire.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.telemetry.wire import AUTHENTIC, VERSION, Refused, open_, seal

if TYPE_CHECKING:
    from snqd.telemetry.wire import Reason

ASK: Final = 16
CHALLENGE: Final = 17
SUBSCRIBE: Final = 18
GRANTED: Final = 19
BYE: Final = 20
REFUSAL: Final = 21

COOKIE_BYTES: Final = 16
ASK_BYTES: Final = 192
"""Of an ask's body, so that there is room for an answer with a sentence in it."""
SLOWEST: Final = 0.1
FASTEST: Final = 20.0
"""Frames a second."""

_MAGIC: Final = b"snqd"
_VERSION_AT: Final = 4
_KIND_AT: Final = 5
_FLAGS_AT: Final = 6
_PREFIX: Final = 7
_NONCE: Final = struct.Struct("!Q")
_WITH_COOKIE: Final = struct.Struct(f"!Q{COOKIE_BYTES}s")
_WITH_FIGURE: Final = struct.Struct(f"!Q{COOKIE_BYTES}sf")
_SUBSCRIBE: Final = struct.Struct(f"!Q{COOKIE_BYTES}sfI")
_REFUSAL: Final = struct.Struct("!QB")
_TEXT_BYTES: Final = 160


class Code(IntEnum):
    """Why a hub refuses. Numbers are for good; a number that is not known is told in the hub's own words."""

    WRONG_KEY = 1
    KEY_NEEDED = 2
    NO_KEY = 3
    VERSION = 4
    FULL = 5
    ENDED = 6
    """The subscription is over, or its lease ran out: begin again, with another nonce."""


WORDS: Final[dict[int, str]] = {
    Code.WRONG_KEY: "wrong key",
    Code.KEY_NEEDED: "a key is needed: the daemon has one, and none was given here",
    Code.NO_KEY: "the daemon has no key: ask without one, or give it the key",
    Code.ENDED: "the subscription ended",
}


class Message(NamedTuple):
    """What a datagram of the kinds above says. What a kind does not have is 0 or empty."""

    kind: int
    nonce: int
    cookie: bytes = b""
    figure: float = 0.0
    """Frames a second of subscribe, seconds of lease of granted."""
    buffer_bytes: int = 0
    """Of the subscriber's socket, as the system counts them; 0 = not told."""
    code: int = 0
    text: str = ""
    version: int = VERSION
    is_authentic: bool = False
    """Whether a keyed hash was there and right."""


def ask(nonce: int, key: bytes | None) -> bytes:
    return seal(ASK, _NONCE.pack(nonce).ljust(ASK_BYTES, b"\0"), key)


def challenge(nonce: int, cookie: bytes, key: bytes | None) -> bytes:
    return seal(CHALLENGE, _WITH_COOKIE.pack(nonce, cookie), key)


def subscribe(
    nonce: int, cookie: bytes, frames_per_second: float, key: bytes | None, *, buffer_bytes: int = 0
) -> bytes:
    """As long as an ask: the answer may be a refusal."""
    body = _SUBSCRIBE.pack(nonce, cookie, frames_per_second, min(buffer_bytes, 2**32 - 1))
    return seal(SUBSCRIBE, body.ljust(ASK_BYTES, b"\0"), key)


def granted(nonce: int, cookie: bytes, lease_seconds: float, key: bytes | None) -> bytes:
    return seal(GRANTED, _WITH_FIGURE.pack(nonce, cookie, lease_seconds), key)


def bye(nonce: int, cookie: bytes, key: bytes | None) -> bytes:
    return seal(BYE, _WITH_COOKIE.pack(nonce, cookie), key)


def refusal(nonce: int, code: int, text: str, key: bytes | None) -> bytes:
    return seal(REFUSAL, _REFUSAL.pack(nonce, code) + text.encode(errors="replace")[:_TEXT_BYTES], key)


def read(data: bytes, key: bytes | None) -> Message | Refused:
    """The message in a datagram, if it is one and, with a key, authentic. Never raises."""
    opened = open_(data, key)
    if isinstance(opened, Refused):
        return opened
    return _message(*opened, is_authentic=key is not None)


def read_plain_refusal(data: bytes) -> Message | None:
    """A refusal that cannot be authentic: of a hub that has another key, or speaks another version."""
    if data[:_VERSION_AT] != _MAGIC or len(data) < _PREFIX or data[_KIND_AT] != REFUSAL or data[_FLAGS_AT]:
        return None
    found = _message(REFUSAL, data[_PREFIX:], is_authentic=False)
    return None if isinstance(found, Refused) else found._replace(version=data[_VERSION_AT])


def asked_nonce(data: bytes) -> int | None:
    """The nonce of an ask or a subscribe that cannot be read: with a wrong key, or of another version."""
    if data[:_VERSION_AT] != _MAGIC or len(data) < _PREFIX + _NONCE.size or data[_KIND_AT] not in (ASK, SUBSCRIBE):
        return None
    return int(_NONCE.unpack_from(data, _PREFIX)[0])


def code_for(reason: Reason, data: bytes) -> Code | None:
    """What to tell a stranger whose ask was refused by `open_` for `reason`; None = nothing, it was not an ask."""
    if reason == "version":
        return Code.VERSION
    if reason == "no key here":
        return Code.NO_KEY
    if reason == "not authentic":
        return Code.WRONG_KEY if data[_FLAGS_AT] & AUTHENTIC else Code.KEY_NEEDED
    return None


def _message(kind: int, body: bytes, *, is_authentic: bool) -> Message | Refused:
    cookie, figure, buffer_bytes, code, text = b"", 0.0, 0, 0, ""
    try:
        if kind == ASK:
            (nonce,) = _NONCE.unpack_from(body)
        elif kind in (CHALLENGE, BYE):
            nonce, cookie = _WITH_COOKIE.unpack_from(body)
        elif kind == SUBSCRIBE:
            nonce, cookie, figure, buffer_bytes = _SUBSCRIBE.unpack_from(body)
        elif kind == GRANTED:
            nonce, cookie, figure = _WITH_FIGURE.unpack_from(body)
        elif kind == REFUSAL:
            nonce, code = _REFUSAL.unpack_from(body)
            text = _readable(body[_REFUSAL.size :])
        else:
            return Refused("kind")
    except struct.error:
        return Refused("truncated")
    return Message(kind, nonce, cookie, figure, buffer_bytes, code, text, is_authentic=is_authentic)


def _readable(raw: bytes) -> str:
    """Text of a stranger, fit for a terminal: no control characters."""
    text = raw[:_TEXT_BYTES].decode(errors="replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()

"""The wire: facts in versioned datagrams of at most `LIMIT` bytes, authentic when there is a key.

A datagram is `snqd`, a byte each of version, kind and flags, a body, and with a key 16 bytes of keyed hash over all
that stands before. The body of kind `STATE` is a MessagePack array of the header and an array of facts. Other kinds
belong to `subscription.py`. Fields may be added at the end of header, body and facts, and kinds of facts and of
datagrams may be added: an older receiver passes them over. Whatever else changes gets a new version.

`unpack` and `open_` never raise: what they cannot use is `Refused`, for a reason that can be counted.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from snqd.telemetry.facts import AnyFact, Count, EventFact, Figure
from snqd.telemetry.fitting import fitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LIMIT: Final = 1400
"""Bytes of the longest datagram: it fits one Ethernet frame, also inside a tunnel."""
VERSION: Final = 1
STATE: Final = 1
"""The kind that carries facts. 16 to 31 are the messages of a subscription."""
SUBSCRIPTION_KINDS: Final = range(16, 32)
AUTHENTIC: Final = 0x01
"""Flag: a keyed hash ends the datagram. A datagram with a flag that is not known cannot be read."""

_MAGIC: Final = b"snqd"
_PREFIX: Final = len(_MAGIC) + 3
_HASH: Final = 16
_NAME_BYTES: Final = 64
_HEADER_BYTES: Final = 1 + 2 * (2 + _NAME_BYTES) + 5 * 9
FACT_LIMIT: Final = LIMIT - _PREFIX - _HASH - _HEADER_BYTES - 4
"""Bytes that the facts of one datagram may take together, whoever sends it."""
MOST_FACTS: Final = 200
"""Facts in a datagram: more than fit, unless they are made to keep the reader busy."""
BODY_LIMIT: Final = LIMIT - _PREFIX - _HASH

Reason = Literal["not ours", "version", "kind", "truncated", "not authentic", "no key here", "malformed"]
REASONS: Final[tuple[Reason, ...]] = (
    "not ours", "version", "kind", "truncated", "not authentic", "no key here", "malformed"
)  # fmt: skip

_Name = Annotated[str, Meta(max_length=_NAME_BYTES)]


class Refused(NamedTuple):
    """A datagram that is of no use here: `reason` is one of `REASONS`."""

    reason: Reason


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Who says it, and when. Equal `daemon`, `host` and `boot` name one life of one daemon."""

    daemon: _Name
    """Its name, at most 64 bytes."""
    host: _Name
    """At most 64 bytes."""
    boot: Count
    """When the supervisor started, in microseconds since the epoch."""
    sender: Count
    """When the hub's process started, in the same unit: a respawned hub is another sender, and its number is higher."""
    sequence: Count
    """Counts the datagrams of one sender and session from 1, so that a receiver sees how many are missing."""
    sent_at: Figure
    """Epoch seconds by the sender's clock."""
    session: Count = 0
    """0 = pushed to a fixed receiver; else the number that the subscriber chose."""


class Datagram(NamedTuple):
    """What `unpack` finds. `unknown`: facts that were passed over, of a newer kind or malformed."""

    header: Header
    facts: tuple[AnyFact, ...]
    unknown: int = 0


class _Body(msgspec.Struct, array_like=True):
    header: Header
    facts: Annotated[tuple[AnyFact, ...], Meta(max_length=MOST_FACTS)]


class _RawBody(msgspec.Struct, array_like=True):
    header: Header
    facts: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=MOST_FACTS)]


_encoder = msgspec.msgpack.Encoder()
_body_decoder = msgspec.msgpack.Decoder(_Body)
_raw_decoder = msgspec.msgpack.Decoder(_RawBody)
_fact_decoder: msgspec.msgpack.Decoder[AnyFact] = msgspec.msgpack.Decoder(AnyFact)
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""What msgspec raises of hostile bytes: text that is not UTF-8 is a `ValueError`, deep nesting a `RecursionError`."""


def key_of(secret: str) -> bytes:
    """The key that a secret text stands for. Passphrases of any length become 32 bytes."""
    return blake2b(secret.encode(), digest_size=32, person=b"snqd wire").digest()


def encode_fact(fact: AnyFact) -> bytes:
    """The bytes of a fact, always few enough for a datagram: long texts are cut, histograms made coarser."""
    if isinstance(fact, EventFact):
        return fitted(fact, FACT_LIMIT)  # its fields come from all over the program
    try:
        encoded = _encoder.encode(fact)
    except UnicodeEncodeError:
        return fitted(fact, FACT_LIMIT)
    return encoded if len(encoded) <= FACT_LIMIT else fitted(fact, FACT_LIMIT)


def fill(encoded: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group encoded facts, in their order, into as few datagrams as that takes."""
    group: list[bytes] = []
    size = 0
    for each in encoded:
        if group and size + len(each) > FACT_LIMIT:
            yield group
            group, size = [], 0
        group.append(each)
        size += len(each)
    if group:
        yield group


def pack(header: Header, encoded_facts: Sequence[bytes], key: bytes | None) -> bytes:
    """One datagram of encoded facts. Raises `ValueError` if they are too many: `fill` makes groups that fit."""
    if len(header.daemon) > _NAME_BYTES or len(header.host) > _NAME_BYTES:
        header = _shortened(header)
    head = _encoder.encode(header)
    if len(head) > _HEADER_BYTES:  # as many characters as may be, but more bytes
        head = _encoder.encode(_shortened(header))
    count = len(encoded_facts)
    opening = bytes((0x90 + count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return seal(STATE, b"".join((b"\x92", head, opening, *encoded_facts)), key)


def unpack(data: bytes, key: bytes | None) -> Datagram | Refused:
    """What a datagram says, or why it is of no use. Never raises, whatever the bytes are."""
    opened = open_(data, key)
    if isinstance(opened, Refused):
        return opened
    kind, body = opened
    if kind != STATE:
        return Refused("kind")
    try:
        found = _body_decoder.decode(body)
    except _UNREADABLE:
        return _one_by_one(body)
    return Datagram(found.header, found.facts)


def seal(kind: int, body: bytes, key: bytes | None) -> bytes:
    """A datagram of any kind. Raises `ValueError` if it would be longer than `LIMIT`."""
    if len(body) > BODY_LIMIT:
        raise ValueError(f"a body of {len(body)} bytes does not fit a datagram: at most {BODY_LIMIT}")
    data = b"%b%c%c%c%b" % (_MAGIC, VERSION, kind, AUTHENTIC if key else 0, body)
    return data + _hash(data, key) if key else data


def open_(data: bytes, key: bytes | None) -> tuple[int, bytes] | Refused:
    """The kind and body of a datagram. With a key only authentic ones are opened, without one only plain ones."""
    if data[:4] != _MAGIC:
        return Refused("not ours")
    if len(data) < _PREFIX:
        return Refused("truncated")
    if len(data) > LIMIT:
        return Refused("malformed")
    version, kind, flags = data[4], data[5], data[6]
    if version != VERSION or flags & ~AUTHENTIC:
        return Refused("version")
    if key is None:
        return Refused("no key here") if flags else (kind, data[_PREFIX:])
    if not flags:
        return Refused("not authentic")
    if len(data) < _PREFIX + _HASH:
        return Refused("truncated")
    if not hmac.compare_digest(_hash(data[:-_HASH], key), data[-_HASH:]):
        return Refused("not authentic")
    return kind, data[_PREFIX:-_HASH]


def _one_by_one(body: bytes) -> Datagram | Refused:
    """Read the facts that can be read: one of a newer kind must not cost its neighbours."""
    try:
        found = _raw_decoder.decode(body)
    except _UNREADABLE as error:
        return Refused("truncated" if "truncated" in str(error) else "malformed")
    facts = []
    for each in found.facts:
        try:
            facts.append(_fact_decoder.decode(each))
        except _UNREADABLE:
            continue
    return Datagram(found.header, tuple(facts), len(found.facts) - len(facts))


def _shortened(header: Header) -> Header:
    return msgspec.structs.replace(header, daemon=_cut(header.daemon), host=_cut(header.host))


def _cut(name: str) -> str:
    return name.encode(errors="replace")[:_NAME_BYTES].decode(errors="ignore")


def _hash(data: bytes, key: bytes) -> bytes:
    state = _keyed(key).copy()
    state.update(data)
    return state.digest()


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> blake2b:
    """The hash after its key: made once, then copied."""
    return blake2b(key=key, digest_size=_HASH)

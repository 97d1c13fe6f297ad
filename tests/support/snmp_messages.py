"""Messages of SNMP as a manager writes them, and what it finds in the answers."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.aes import cfb_decrypt, cfb_encrypt
from snqd.exporters.snmp.answering import GET, GET_BULK, GET_NEXT
from snqd.exporters.snmp.usm import HASHES, NO_PRIVACY, keys_of
from tests.support.snmp import COMMUNITY, ENGINE_ID, USER

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.settings import User
    from snqd.exporters.snmp.usm import Keys

NULL = b"\x05\x00"
KINDS = (GET, GET_NEXT, GET_BULK)
BOOTS = 3


def pdu(
    kind: int, oids: Iterable[Oid], first: int = 0, second: int = 0, *, number: int = 7, value: bytes = NULL
) -> bytes:
    """`first` and `second`: error status and index, or non-repeaters and max-repetitions."""
    bindings = b"".join(ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT, ber.oid_content(oid)) + value) for oid in oids)
    numbers = ber.integer(number) + ber.integer(first) + ber.integer(second)
    return ber.tlv(kind, numbers + ber.tlv(ber.SEQUENCE, bindings))


def message(inner: bytes, *, version: int = 1, community: str = COMMUNITY) -> bytes:
    """Of version 1 (0) or 2c (1)."""
    return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.tlv(ber.OCTETS, community.encode()) + inner)


def message_v3(
    inner: bytes,
    *,
    user: User = USER,
    flags: int | None = None,
    time: int = 0,
    boots: int = BOOTS,
    engine_id: bytes = ENGINE_ID,
    context: bytes = b"",
    most: int = 65507,
    number: int = 99,
    name: bytes | None = None,
    salt: bytes = b"saltsalt",
    spoil: bool = False,
) -> bytes:
    """Authentic (unless `spoil`), and encrypted when the user's cipher says so."""
    keys, kind = _keys_of(user), HASHES[user.auth]
    level = 1 if user.privacy == NO_PRIVACY else 3
    flags = level | 4 if flags is None else flags
    scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine_id) + ber.tlv(ber.OCTETS, context) + inner)
    if flags & 2:
        vector = boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt.ljust(8, b"\0")
        scoped = ber.tlv(ber.OCTETS, cfb_encrypt(keys.privacy, vector, scoped))
    header = ber.integer(number) + ber.integer(most) + ber.tlv(ber.OCTETS, bytes((flags,))) + ber.integer(3)
    digest = bytes(kind.size) if flags & 1 else b""
    before = (
        ber.tlv(ber.OCTETS, engine_id) + ber.integer(boots) + ber.integer(time)
        + ber.tlv(ber.OCTETS, user.name.encode() if name is None else name)
    )  # fmt: skip
    after = ber.tlv(ber.OCTETS, salt if flags & 2 else b"")
    security = ber.tlv(ber.SEQUENCE, before + ber.tlv(ber.OCTETS, digest) + after)
    whole = ber.tlv(
        ber.SEQUENCE, ber.integer(3) + ber.tlv(ber.SEQUENCE, header) + ber.tlv(ber.OCTETS, security) + scoped
    )
    if not flags & 1:
        return whole
    place = len(whole) - len(scoped) - len(after) - kind.size
    code = hmac.digest(keys.auth, whole, kind.name)[: kind.size]
    if spoil:
        code = bytes((code[0] ^ 1,)) + code[1:]
    return whole[:place] + code + whole[place + kind.size :]


@lru_cache
def _keys_of(user: User) -> Keys:
    return keys_of(user, ENGINE_ID)


class Opened(NamedTuple):
    """An answer of version 3, after its digest was found right."""

    number: int
    most: int
    flags: int
    boots: int
    time: int
    name: bytes
    scoped: bytes


def open_v3(data: bytes, user: User = USER) -> Opened:
    keys, kind = _keys_of(user), HASHES[user.auth]
    at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
    version, at = ber.read_integer(data, at, end)
    assert version == 3
    header, at = ber.enter(data, at, end, ber.SEQUENCE)
    number, header = ber.read_integer(data, header, at)
    most, header = ber.read_integer(data, header, at)
    flag, _ = ber.enter(data, header, at, ber.OCTETS)
    outer, scoped_at = ber.enter(data, at, end, ber.OCTETS)
    place, last = ber.enter(data, outer, scoped_at, ber.SEQUENCE)
    engine, place = ber.enter(data, place, last, ber.OCTETS)
    assert data[engine:place] == ENGINE_ID
    boots, place = ber.read_integer(data, place, last)
    time, place = ber.read_integer(data, place, last)
    name, name_end = ber.enter(data, place, last, ber.OCTETS)
    digest, digest_end = ber.enter(data, name_end, last, ber.OCTETS)
    salt, salt_end = ber.enter(data, digest_end, last, ber.OCTETS)
    flags = data[flag]
    if flags & 1:
        cleared = data[:digest] + bytes(kind.size) + data[digest_end:]
        assert hmac.digest(keys.auth, cleared, kind.name)[: kind.size] == data[digest:digest_end]
    scoped = data[scoped_at:end]
    if flags & 2:
        begin, stop = ber.enter(data, scoped_at, end, ber.OCTETS)
        vector = boots.to_bytes(4, "big") + time.to_bytes(4, "big") + data[salt:salt_end]
        scoped = cfb_decrypt(keys.privacy, vector, data[begin:stop])
    return Opened(number, most, flags, boots, time, data[name:name_end], scoped)


class Answered(NamedTuple):
    """What a response says. Values are tag and content."""

    number: int
    status: int
    at: int
    bindings: list[tuple[Oid, int, bytes]]


def read_response(data: bytes, at: int = 0, tag: int = 0xA2) -> Answered:
    at, end = ber.enter(data, at, len(data), tag)
    number, at = ber.read_integer(data, at, end)
    status, at = ber.read_integer(data, at, end)
    index, at = ber.read_integer(data, at, end)
    at, end = ber.enter(data, at, end, ber.SEQUENCE)
    bindings = []
    while at < end:
        name, stop = ber.enter(data, at, end, ber.SEQUENCE)
        content, value = ber.enter(data, name, stop, ber.OBJECT)
        begin, last = ber.enter(data, value, stop, data[value])
        bindings.append((ber.read_oid(data[content:value]), data[value], data[begin:last]))
        at = stop
    return Answered(number, status, index, bindings)


def read_message(data: bytes) -> Answered:
    """Of version 1 or 2c."""
    at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
    assert end == len(data)
    _version, at = ber.read_integer(data, at, end)
    _community, at = ber.enter(data, at, end, ber.OCTETS)
    return read_response(data, at)


def random_pdu(source: random.Random, known: Sequence[Oid]) -> bytes:
    """A reading request as pollers send them, and as they do not: what is there, near it, and far from it."""
    kind = source.choice(KINDS)
    count = source.choice((0, 1, 1, 1, 2, 3, 5, 8, 30, 90))
    oids = [_random_oid(source, known) for _ in range(count)]
    first, second = 0, 0
    if kind == GET_BULK:
        first, second = source.choice((0, 0, 1, 2, 50)), source.choice((0, 1, 2, 10, 50, 1000))
    return pdu(kind, oids, first, second, number=source.randrange(-(2**31), 2**31))


def _random_oid(source: random.Random, known: Sequence[Oid]) -> Oid:
    oid = source.choice(known)
    match source.randrange(8):
        case 0:
            return oid[: source.randrange(2, len(oid) + 1)]
        case 1:
            return (*oid, source.randrange(300))
        case 2:
            place = source.randrange(2, len(oid))
            return (*oid[:place], max(0, oid[place] + source.choice((-1, 1))), *oid[place + 1 :])
        case 3:
            return source.choice(((0, 0), (1, 3), (1, 3, 6, 1), (1, 3, 6, 1, 4, 1, 8072), (2, 39, 5), (1, 3, 9)))
        case _:
            return oid

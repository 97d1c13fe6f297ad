"""Messages of version 3 as bytes: what stands around a scoped PDU, read and written (RFC 3412, 3414, 3826).

For both directions: requests to our engine, and informs to the engines of others.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import MESSAGE_LIMIT
from snqd.exporters.snmp.ber import Unusual
from snqd.exporters.snmp.usm import HASHES, NO_PRIVACY, Keys

if TYPE_CHECKING:
    from snqd.exporters.snmp.settings import User

AUTH, PRIVACY, REPORTABLE = 0x01, 0x02, 0x04
WINDOW_SECONDS: Final = 150
_VERSION: Final = b"\x02\x01\x03"
_USM: Final = 3
_SMALLEST_MOST: Final = 484
"""The least that somebody may say is the most that he takes."""
_SALT_SIZE: Final = 8
_PADDING: Final = 16


class Account(NamedTuple):
    """A user, with the keys for one engine. `flags`: the level that the user has to use."""

    name: bytes
    flags: int
    hash_name: str
    digest_size: int
    keys: Keys


NOBODY: Final = Account(b"", 0, "", 0, Keys(b"", b""))
"""Who asks for an engine id."""


class Message(NamedTuple):
    """What stands around a scoped PDU. Nothing of it is true before `is_authentic` says so."""

    number: int
    """The message's id."""
    number_raw: bytes
    """The same with tag and length."""
    most: int
    """Octets that the sender takes."""
    flags: int
    engine_id: bytes
    boots: int
    time: int
    name: bytes
    digest: tuple[int, int]
    """Where it is."""
    salt: bytes
    scoped: tuple[int, int]
    """Where it is, in the clear or encrypted."""


def account_of(user: User, keys: Keys) -> Account:
    kind = HASHES[user.auth]
    flags = AUTH if user.privacy == NO_PRIVACY else AUTH | PRIVACY
    return Account(user.name.encode(), flags, kind.name, kind.size, keys)


def read(data: bytes) -> Message:
    """Raises `Unusual`."""
    at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
    if end != len(data) or data[at : at + 3] != _VERSION:
        raise Unusual("not version 3")
    header, header_end = ber.enter(data, at + 3, end, ber.SEQUENCE)
    number, number_end = ber.read_integer(data, header, header_end)
    most, most_end = ber.read_integer(data, number_end, header_end)
    flags, flags_end = ber.enter(data, most_end, header_end, ber.OCTETS)
    model, model_end = ber.read_integer(data, flags_end, header_end)
    if flags_end - flags != 1 or model != _USM or model_end != header_end or most < _SMALLEST_MOST:
        raise Unusual("a header that is not usual")
    outer, outer_end = ber.enter(data, header_end, end, ber.OCTETS)
    at, security_end = ber.enter(data, outer, outer_end, ber.SEQUENCE)
    engine, engine_end = ber.enter(data, at, security_end, ber.OCTETS)
    boots, boots_end = ber.read_integer(data, engine_end, security_end)
    time, time_end = ber.read_integer(data, boots_end, security_end)
    name, name_end = ber.enter(data, time_end, security_end, ber.OCTETS)
    digest, digest_end = ber.enter(data, name_end, security_end, ber.OCTETS)
    salt, salt_end = ber.enter(data, digest_end, security_end, ber.OCTETS)
    if security_end != outer_end or salt_end != security_end:
        raise Unusual("something follows the security parameters")
    return Message(
        number,
        data[header:number_end],
        most,
        data[flags],
        data[engine:engine_end],
        boots,
        time,
        data[name:name_end],
        (digest, digest_end),
        data[salt:salt_end],
        (outer_end, end),
    )


def is_authentic(data: bytes, message: Message, account: Account) -> bool:
    """Whether the message is of this user, and as it was sent."""
    digest, digest_end = message.digest
    if digest_end - digest != account.digest_size or not account.digest_size:
        return False
    cleared = data[:digest] + bytes(account.digest_size) + data[digest_end:]
    return hmac.compare_digest(_digest(account, cleared), data[digest:digest_end])


def scoped_pdu(data: bytes, message: Message, account: Account) -> bytes:
    """In the clear, with what padding there is behind it. Raises `Unusual`."""
    begin, end = message.scoped
    if not message.flags & PRIVACY:
        return data[begin:end]
    if not account.flags & PRIVACY or len(message.salt) != _SALT_SIZE or message.boots < 0 or message.time < 0:
        raise Unusual("a cipher that is not the user's")
    from snqd.exporters.snmp.aes import cfb_decrypt

    begin, end = ber.enter(data, begin, end, ber.OCTETS)
    return cfb_decrypt(account.keys.privacy, _vector(message.boots, message.time, message.salt), data[begin:end])


def enter_scoped(scoped: bytes) -> tuple[int, int]:
    """Begin and end of its content. What is behind it is the padding of some ciphers, which RFC 3414 has us ignore.

    Raises `Unusual`.
    """
    begin, end = ber.enter(scoped, 0, len(scoped), ber.SEQUENCE)
    if len(scoped) - end > _PADDING:
        raise Unusual("something follows the scoped PDU")
    return begin, end


def scope(engine_id: bytes) -> bytes:
    """What a scoped PDU begins with, in the default context."""
    return ber.tlv(ber.OCTETS, engine_id) + ber.tlv(ber.OCTETS, b"")


def written(
    number: bytes, flags: int, account: Account, engine_id: bytes, boots: int, time: int, salt: int, scoped: bytes
) -> bytes:
    """A message of `account` about the authoritative engine `engine_id`. `number` has its tag and length.

    `salt` must not come twice with the same key, boots and time. `scoped` is in the clear.
    """
    salted = b""
    if flags & PRIVACY:
        from snqd.exporters.snmp.aes import cfb_encrypt

        salted = salt.to_bytes(_SALT_SIZE, "big")
        scoped = ber.tlv(ber.OCTETS, cfb_encrypt(account.keys.privacy, _vector(boots, time, salted), scoped))
    header = ber.tlv(
        ber.SEQUENCE, number + ber.integer(MESSAGE_LIMIT) + ber.tlv(ber.OCTETS, bytes((flags,))) + ber.integer(_USM)
    )
    size = account.digest_size if flags & AUTH else 0
    after = ber.tlv(ber.OCTETS, salted)
    security = (
        ber.tlv(ber.OCTETS, engine_id)
        + ber.integer(boots)
        + ber.integer(time)
        + ber.tlv(ber.OCTETS, account.name)
        + ber.tlv(ber.OCTETS, bytes(size))
        + after
    )
    outer = ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, security))
    whole = ber.tlv(ber.SEQUENCE, _VERSION + header + outer + scoped)
    if not size:
        return whole
    place = len(whole) - len(scoped) - len(after) - size
    return whole[:place] + _digest(account, whole) + whole[place + size :]


def _digest(account: Account, message: bytes) -> bytes:
    return hmac.digest(account.keys.auth, message, account.hash_name)[: account.digest_size]


def _vector(boots: int, time: int, salt: bytes) -> bytes:
    return boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt

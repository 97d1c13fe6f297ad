"""The fast path of version 3: authentic requests of known users, within the time window, answered without a library.

Everything that is doubtful is left to pysnmp (`None`), which reports and counts it: discovery, unknown users, wrong
digests, other times, other contexts, a level of security that is not the user's. So nothing is answered here that was
not authentic, and nothing is refused here.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.aes import cfb_decrypt, cfb_encrypt
from snqd.exporters.snmp.answering import MESSAGE_LIMIT, WRAPPED_V3, encode_pdu, room_for
from snqd.exporters.snmp.ber import Unusual
from snqd.exporters.snmp.identity import BOOTS_LIMIT
from snqd.exporters.snmp.pdus import read_pdu
from snqd.exporters.snmp.usm import HASHES, NO_PRIVACY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.exporters.snmp.answering import Answerer
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.pdus import ReadPdu
    from snqd.exporters.snmp.settings import User
    from snqd.exporters.snmp.usm import Keys

_VERSION: Final = b"\x02\x01\x03"
_USM: Final = 3
_AUTH, _PRIVACY, _REPORTABLE = 0x01, 0x02, 0x04
_WINDOW_SECONDS: Final = 150
_SMALLEST_MOST: Final = 484
"""The least that a manager may say is the most that it takes."""
_SALT_SIZE: Final = 8
_PADDING: Final = 16


class _Account(NamedTuple):
    """A user, ready to be checked. `flags`: the level that the user has to use."""

    name: bytes
    flags: int
    hash_name: str
    digest_size: int
    keys: Keys


class _Message(NamedTuple):
    """What stands around the scoped PDU."""

    message_id: bytes
    """With tag and length."""
    most: int
    """Octets that the manager takes."""
    account: _Account
    boots: int
    time: int
    salt: bytes
    scoped: tuple[int, int]
    """Where it is, in the clear or encrypted."""


class FastV3:
    """`uptime`: seconds since the engine began."""

    def __init__(
        self,
        users: Mapping[User, Keys],
        identity: Identity,
        answerer: Answerer,
        uptime: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._answerer = answerer
        self._uptime = uptime
        self._accounts = {user.name.encode(): _account(user, keys) for user, keys in users.items()}
        self._salt = secrets.randbits(64)
        """Counted on: a salt must not come twice with the same key, boots and time."""
        self._scope = ber.tlv(ber.OCTETS, identity.engine_id) + ber.tlv(ber.OCTETS, b"")

    def answer(self, data: bytes) -> bytes | None:
        """None: this is not for the fast path."""
        try:
            return self._answer(data)
        except Unusual:
            return None

    def _answer(self, data: bytes) -> bytes | None:
        message = self._read(data)
        begin, end = message.scoped
        scoped = data[begin:end]
        account = message.account
        if account.flags & _PRIVACY:
            begin, end = ber.enter(data, begin, end, ber.OCTETS)
            scoped = cfb_decrypt(
                account.keys.privacy, _vector(message.boots, message.time, message.salt), data[begin:end]
            )
        read = self._read_scoped(scoped)
        found = self._answerer.answer(read.request, room_for(read.request, WRAPPED_V3, message.most))
        return self._written(message, ber.tlv(ber.SEQUENCE, self._scope + encode_pdu(read.request_id, found)))

    def _read(self, data: bytes) -> _Message:
        """Only what is authentic comes back from here. Raises `Unusual`."""
        at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
        if end != len(data) or data[at : at + 3] != _VERSION:
            raise Unusual("not version 3")
        header, header_end = ber.enter(data, at + 3, end, ber.SEQUENCE)
        _number, id_end = ber.read_integer(data, header, header_end)
        most, most_end = ber.read_integer(data, id_end, header_end)
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
        account = self._accounts.get(data[name:name_end])
        if security_end != outer_end or salt_end != security_end or account is None:
            raise Unusual("nobody that is known")
        if data[engine:engine_end] != self._identity.engine_id or data[flags] & ~_REPORTABLE != account.flags:
            raise Unusual("another engine, or another level")
        if digest_end - digest != account.digest_size or salt_end - salt != (
            _SALT_SIZE if account.flags & _PRIVACY else 0
        ):
            raise Unusual("a digest or salt of another size")
        cleared = data[:digest] + bytes(account.digest_size) + data[digest_end:]
        if not hmac.compare_digest(_digest(account, cleared), data[digest:digest_end]):
            raise Unusual("not authentic")
        if not self._is_timely(boots, time):
            raise Unusual("not within the time window")
        return _Message(data[header:id_end], most, account, boots, time, data[salt:salt_end], (outer_end, end))

    def _is_timely(self, boots: int, time: int) -> bool:
        ours = self._identity.boots
        return boots == ours < BOOTS_LIMIT and time >= 0 and abs(int(self._uptime()) - time) <= _WINDOW_SECONDS

    def _read_scoped(self, scoped: bytes) -> ReadPdu:
        """What is left behind it is the padding of some managers' ciphers, which RFC 3414 has us ignore."""
        begin, end = ber.enter(scoped, 0, len(scoped), ber.SEQUENCE)
        size = len(self._scope)
        if len(scoped) - end > _PADDING or scoped[begin : begin + size] != self._scope or begin + size >= end:
            raise Unusual("another context")
        return read_pdu(scoped, begin + size, end)

    def _written(self, message: _Message, scoped: bytes) -> bytes:
        account = message.account
        boots, time = self._identity.boots, int(self._uptime())
        salt = b""
        if account.flags & _PRIVACY:
            self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
            salt = self._salt.to_bytes(_SALT_SIZE, "big")
            scoped = ber.tlv(ber.OCTETS, cfb_encrypt(account.keys.privacy, _vector(boots, time, salt), scoped))
        header = ber.tlv(
            ber.SEQUENCE,
            message.message_id
            + ber.integer(MESSAGE_LIMIT)
            + ber.tlv(ber.OCTETS, bytes((account.flags,)))
            + ber.integer(_USM),
        )
        ending = bytes((ber.OCTETS, account.digest_size)) + bytes(account.digest_size)
        after = ber.tlv(ber.OCTETS, salt)
        security = (
            ber.tlv(ber.OCTETS, self._identity.engine_id)
            + ber.integer(boots)
            + ber.integer(time)
            + ber.tlv(ber.OCTETS, account.name)
            + ending
            + after
        )
        outer = ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, security))
        whole = ber.tlv(ber.SEQUENCE, _VERSION + header + outer + scoped)
        place = len(whole) - len(scoped) - len(after) - account.digest_size
        return whole[:place] + _digest(account, whole) + whole[place + account.digest_size :]


def _account(user: User, keys: Keys) -> _Account:
    kind = HASHES[user.auth]
    flags = _AUTH if user.privacy == NO_PRIVACY else _AUTH | _PRIVACY
    return _Account(user.name.encode(), flags, kind.name, kind.size, keys)


def _digest(account: _Account, message: bytes) -> bytes:
    return hmac.digest(account.keys.auth, message, account.hash_name)[: account.digest_size]


def _vector(boots: int, time: int, salt: bytes) -> bytes:
    return boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt

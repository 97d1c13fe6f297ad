"""Version 3 (RFC 3412, 3414, 3826): a user with pass phrases, seen from the manager.

The agent's engine, its boots and its time are asked for without proof, as the RFC has it. What follows from a lie there
is a refusal: an answer counts only when it is authentic, of our request's number, and as secret as the request was.
"""

from __future__ import annotations

import hmac
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.check.snmp.pdus import REPORT, Refused, decode, encode
from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import GET
from snqd.exporters.snmp.ber import Unusual
from snqd.exporters.snmp.usm import HASHES, NO_PRIVACY, keys_of

if TYPE_CHECKING:
    from snqd.check.snmp.pdus import Response
    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.usm import Keys

_VERSION: Final = 3
_USM: Final = 3
_AUTH, _PRIVACY, _REPORTABLE = 0x01, 0x02, 0x04
_LEVEL: Final = _AUTH | _PRIVACY
_WINDOW_SECONDS: Final = 150
_LARGEST: Final = 65507
_SALT_SIZE: Final = 8
_LESSONS: Final = 8
"""An engine that is always another one, or always at another time, is not asked for ever."""
_STATS: Final[Oid] = (1, 3, 6, 1, 6, 3, 15, 1, 1)
_LEVELS, _TIMES, _NAMES, _ENGINES, _DIGESTS, _DECRYPTION = ((*_STATS, number, 0) for number in range(1, 7))


class User(NamedTuple):
    """`auth` and `privacy` as in `usm`: "SHA-256", "AES-128", or "none" for no privacy."""

    name: str
    auth: str
    auth_passphrase: str
    privacy: str
    privacy_passphrase: str

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.auth}, {self.privacy})"


class _Engine(NamedTuple):
    """The agent's, and what its clock said `at` ours."""

    engine_id: bytes
    keys: Keys
    boots: int
    time: int
    at: float


class _Read(NamedTuple):
    """A message before anything of it is believed. `digest` and `scoped`: where they are."""

    number: int
    flags: int
    engine_id: bytes
    boots: int
    time: int
    name: bytes
    digest: tuple[int, int]
    salt: bytes
    scoped: tuple[int, int]


class UserSession:
    """A `Session` of version 3."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._name = user.name.encode()
        self._hash = HASHES[user.auth]
        self._level = _AUTH if user.privacy == NO_PRIVACY else _LEVEL
        self._engine: _Engine | None = None
        self._lessons = 0
        self._salt = int.from_bytes(os.urandom(_SALT_SIZE), "big")

    def doubt(self) -> str:
        if self._engine is None:
            return "does it run, and may this host ask?"
        return f"it told who it is: are the pass phrases and the cipher of user {self._user.name!r} right?"

    # asking

    def wrap(self, pdu: bytes, number: int) -> bytes:
        engine = self._engine
        if engine is None:  # who is there?
            scoped = ber.tlv(ber.SEQUENCE, _octets(b"") + _octets(b"") + encode(GET, number, ()))
            security = _security(b"", 0, 0, b"") + _octets(b"") + _octets(b"")
            return _message(number, _REPORTABLE, security, scoped)
        seconds = self._time_there(engine)
        scoped = ber.tlv(ber.SEQUENCE, _octets(engine.engine_id) + _octets(b"") + pdu)
        salt = b""
        if self._level & _PRIVACY:
            from snqd.exporters.snmp.aes import cfb_encrypt  # who needs no privacy need not have the package

            self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
            salt = self._salt.to_bytes(_SALT_SIZE, "big")
            vector = _vector(engine.boots, seconds, salt)
            scoped = _octets(cfb_encrypt(engine.keys.privacy, vector, scoped))
        size, after = self._hash.size, _octets(salt)
        security = _security(engine.engine_id, engine.boots, seconds, self._name) + _octets(bytes(size)) + after
        whole = _message(number, self._level | _REPORTABLE, security, scoped)
        place = len(whole) - len(scoped) - len(after) - size
        return whole[:place] + self._digest(engine.keys, whole) + whole[place + size :]

    def _digest(self, keys: Keys, message: bytes) -> bytes:
        return hmac.digest(keys.auth, message, self._hash.name)[: self._hash.size]

    def _time_there(self, engine: _Engine) -> int:
        return engine.time + int(time.monotonic() - engine.at)

    # hearing

    def open(self, data: bytes, number: int) -> Response | None:
        read = _read(data)
        if read.number != number:
            raise Unusual("an answer to something else")
        if not read.flags & _AUTH:
            begin, end = read.scoped
            self._heed(_decode_scoped(data[begin:end]), read, is_proven=False)
            return None
        engine = self._check(data, read)
        response = self._decode(data, read, engine)
        if response.pdu == REPORT:
            self._heed(response, read, is_proven=True)
            return None
        if read.flags & _LEVEL != self._level:
            raise Unusual("an answer without the privacy that was asked for")
        if response.request_id != number:
            raise Unusual("an answer to something else")
        return response

    def _check(self, data: bytes, read: _Read) -> _Engine:
        """What comes back from here is authentic, and not of long ago."""
        engine = self._engine
        if engine is None or read.engine_id != engine.engine_id or read.name != self._name:
            raise Unusual("an answer of another engine, or to another user")
        begin, end = read.digest
        cleared = data[:begin] + bytes(end - begin) + data[end:]
        if not hmac.compare_digest(self._digest(engine.keys, cleared), data[begin:end]):
            raise Unusual("an answer that is not authentic")
        if (read.boots, read.time) < (engine.boots, self._time_there(engine) - _WINDOW_SECONDS):
            raise Unusual("an answer of an earlier time")
        if (read.boots, read.time) > (engine.boots, engine.time):
            engine = engine._replace(boots=read.boots, time=read.time, at=time.monotonic())
            self._engine = engine
        return engine

    def _decode(self, data: bytes, read: _Read, engine: _Engine) -> Response:
        begin, end = read.scoped
        if not read.flags & _PRIVACY:
            return _decode_scoped(data[begin:end])
        if not self._level & _PRIVACY or len(read.salt) != _SALT_SIZE:
            raise Unusual("an answer with another cipher")
        from snqd.exporters.snmp.aes import cfb_decrypt

        begin, end = ber.enter(data, begin, end, ber.OCTETS)
        vector = _vector(read.boots, read.time, read.salt)
        return _decode_scoped(cfb_decrypt(engine.keys.privacy, vector, data[begin:end]))

    def _heed(self, report: Response, read: _Read, *, is_proven: bool) -> None:
        """A report says why there is no answer, and perhaps who and when the engine is."""
        if report.pdu != REPORT or not report.bindings:
            raise Unusual("an answer that is not authentic")
        reason = report.bindings[0].oid
        if (reason == _ENGINES and read.engine_id) or (reason == _TIMES and is_proven):
            self._learn(read)
        elif reason == _TIMES:
            raise Unusual("a time that is not authentic")
        else:
            raise Refused(self._refusal(reason))

    def _refusal(self, reason: Oid) -> str:
        user = self._user
        refusals = {
            _NAMES: f"knows no user {user.name!r}",
            _DIGESTS: f"does not believe user {user.name!r}: is the pass phrase right, and {user.auth}?",
            _DECRYPTION: f"cannot decrypt: is the privacy pass phrase right, and {user.privacy}?",
            _LEVELS: f"wants another level of user {user.name!r}: privacy is {user.privacy} here",
        }
        return f"the agent {refusals.get(reason) or 'reports ' + '.'.join(map(str, reason))}"

    def _learn(self, read: _Read) -> None:
        self._lessons += 1
        if self._lessons > _LESSONS:
            raise Refused("the agent is another engine, or at another time, in every answer")
        known = self._engine
        is_same = known is not None and known.engine_id == read.engine_id
        keys = known.keys if known is not None and is_same else keys_of(self._user, read.engine_id)
        self._engine = _Engine(read.engine_id, keys, read.boots, read.time, time.monotonic())


def _read(data: bytes) -> _Read:
    at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
    version, at = ber.read_integer(data, at, end)
    if end != len(data) or version != _VERSION:
        raise Unusual("not a message of version 3")
    header, at = ber.enter(data, at, end, ber.SEQUENCE)
    number, header = ber.read_integer(data, header, at)
    _most, header = ber.read_integer(data, header, at)
    flags, flags_end = ber.enter(data, header, at, ber.OCTETS)
    model, model_end = ber.read_integer(data, flags_end, at)
    outer, scoped = ber.enter(data, at, end, ber.OCTETS)
    place, last = ber.enter(data, outer, scoped, ber.SEQUENCE)
    if flags_end - flags != 1 or model != _USM or model_end != at or last != scoped:
        raise Unusual("a header that is not usual")
    engine, place = ber.enter(data, place, last, ber.OCTETS)
    engine_id = data[engine:place]
    boots, place = ber.read_integer(data, place, last)
    seconds, place = ber.read_integer(data, place, last)
    name, name_end = ber.enter(data, place, last, ber.OCTETS)
    digest = ber.enter(data, name_end, last, ber.OCTETS)
    salt, salt_end = ber.enter(data, digest[1], last, ber.OCTETS)
    if salt_end != last or boots < 0 or seconds < 0:
        raise Unusual("a header that is not usual")
    return _Read(
        number, data[flags], engine_id, boots, seconds, data[name:name_end], digest, data[salt:salt_end], (scoped, end)
    )


def _decode_scoped(scoped: bytes) -> Response:
    """What is left behind it is padding."""
    at, end = ber.enter(scoped, 0, len(scoped), ber.SEQUENCE)
    _engine, at = ber.enter(scoped, at, end, ber.OCTETS)
    _context, at = ber.enter(scoped, at, end, ber.OCTETS)
    return decode(scoped, at, end)


def _message(number: int, flags: int, security: bytes, scoped: bytes) -> bytes:
    header = ber.integer(number) + ber.integer(_LARGEST) + _octets(bytes((flags,))) + ber.integer(_USM)
    outer = _octets(ber.tlv(ber.SEQUENCE, security))
    return ber.tlv(ber.SEQUENCE, ber.integer(_VERSION) + ber.tlv(ber.SEQUENCE, header) + outer + scoped)


def _security(engine_id: bytes, boots: int, seconds: int, name: bytes) -> bytes:
    """What stands before digest and salt."""
    return _octets(engine_id) + ber.integer(boots) + ber.integer(seconds) + _octets(name)


def _octets(content: bytes) -> bytes:
    return ber.tlv(ber.OCTETS, content)


def _vector(boots: int, seconds: int, salt: bytes) -> bytes:
    return boots.to_bytes(4, "big") + seconds.to_bytes(4, "big") + salt

"""Three ways of a notification to a receiver: with a community, as a trap of version 3, as an inform of version 3.

A trap of version 3 is authentic by our engine, whose id, boots and time are in it. An inform is by the engine of the
receiver, which has to be asked for its id, and then tells its time in a report that is authentic (RFC 3414, section 4).
What comes back is believed only as far as it is an answer to a message that is on its way, and where keys have a say,
authentic.
"""

from __future__ import annotations

import secrets
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from snqd.exporters.snmp import ber, v3
from snqd.exporters.snmp.answering import GET, RESPONSE
from snqd.exporters.snmp.ber import Unusual
from snqd.exporters.snmp.identity import BOOTS_LIMIT
from snqd.exporters.snmp.standard import USER_SECURITY
from snqd.exporters.snmp.usm import localized, stretched

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.settings import User

INFORM: Final = 0xA6
TRAP: Final = 0xA7
REPORT: Final = 0xA8
_VERSION_2C: Final = ber.integer(1)
_ZERO: Final = ber.integer(0)
_ENGINE_OCTETS: Final = range(5, 33)
_NOT_IN_TIME, _UNKNOWN_ENGINE = 2, 4
_REPORTS: Final = {
    1: "it does not take messages of this level of security",
    3: "it does not know the user",
    5: "it has another pass phrase or hash for the user",
    6: "it has another pass phrase or cipher for the user's privacy",
}
"""What a report means, by the number of its counter in usmStats."""


class Verdict(Enum):
    NOTHING = auto()
    """Not an answer, or one that cannot be believed."""
    ACKNOWLEDGED = auto()
    REFUSED = auto()
    """The receiver has it, and does not want it."""
    AGAIN = auto()
    """Something was learned: send it once more."""
    TROUBLE = auto()
    """Anybody can say that, so it goes on; but if nothing else comes, this is why."""


class Answer(NamedTuple):
    """`message` is the id of the message that it answers, of version 3; `request` that of the PDU."""

    verdict: Verdict
    message: int | None = None
    request: int | None = None
    words: str = ""


NOTHING: Final = Answer(Verdict.NOTHING)


class Way(Protocol):
    """Times are seconds of a clock that does not go back."""

    @property
    def is_ready(self) -> bool:
        """Whether a message can be written; else the `question` has to be answered first."""

    def question(self, number: int, /) -> bytes: ...

    def message(self, pdu: bytes, number: int, now: float, /) -> bytes:
        """`number`: the message's id, of its own each time."""

    def read(self, data: bytes, now: float, is_asked: Callable[[int], bool], /) -> Answer:
        """`is_asked` says whether a message with that id is on its way. Never raises."""

    def forget(self) -> None:
        """What was learned about the receiver led nowhere."""


class _Known:
    """There is nothing to learn about the receiver."""

    is_ready = True

    def question(self, _number: int) -> bytes:
        raise AssertionError("there is none")

    def forget(self) -> None: ...


class ByCommunity(_Known):
    """Version 2c."""

    def __init__(self, community: str) -> None:
        self._opening = _VERSION_2C + ber.tlv(ber.OCTETS, community.encode())

    def message(self, pdu: bytes, _number: int, _now: float) -> bytes:
        return ber.tlv(ber.SEQUENCE, self._opening + pdu)

    def read(self, data: bytes, _now: float, _is_asked: Callable[[int], bool]) -> Answer:
        try:
            at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
            size = len(self._opening)
            if end != len(data) or data[at : at + size] != self._opening:
                return NOTHING
            return _response(data, at + size, end, None)
        except Unusual:
            return NOTHING


class ByOurEngine(_Known):
    """A trap of version 3. `uptime`: seconds since our engine began."""

    def __init__(self, user: User, identity: Identity, uptime: Callable[[], float]) -> None:
        self._account = v3.account_of(user, localized(user, stretched(user), identity.engine_id))
        self._identity = identity
        self._uptime = uptime
        self._salt = secrets.randbits(64)

    def message(self, pdu: bytes, number: int, _now: float) -> bytes:
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        ours, account = self._identity, self._account
        scoped = ber.tlv(ber.SEQUENCE, v3.scope(ours.engine_id) + pdu)
        return v3.written(
            ber.integer(number),
            account.flags,
            account,
            ours.engine_id,
            ours.boots,
            int(self._uptime()),
            self._salt,
            scoped,
        )

    def read(self, _data: bytes, _now: float, _is_asked: Callable[[int], bool]) -> Answer:
        return NOTHING  # traps are not answered


class ByTheirEngine:
    """An inform of version 3. `context`: our engine's id."""

    def __init__(self, user: User, context: bytes) -> None:
        self._user = user
        self._keys = stretched(user)
        self._context = context
        self._salt = secrets.randbits(64)
        self._engine_id = b""
        self._account = v3.NOBODY
        self._boots = self._latest = 0
        self._began = 0.0
        """When that engine began, by our clock."""

    @property
    def is_ready(self) -> bool:
        return bool(self._engine_id)

    def forget(self) -> None:
        self._turn_to(b"")

    def question(self, number: int) -> bytes:
        pdu = ber.tlv(GET, ber.integer(number) + _ZERO + _ZERO + ber.tlv(ber.SEQUENCE, b""))
        scoped = ber.tlv(ber.SEQUENCE, v3.scope(b"") + pdu)
        return v3.written(ber.integer(number), v3.REPORTABLE, v3.NOBODY, b"", 0, 0, 0, scoped)

    def message(self, pdu: bytes, number: int, now: float) -> bytes:
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        account, boots = self._account, self._boots
        time = int(now - self._began) if boots else 0
        scoped = ber.tlv(ber.SEQUENCE, v3.scope(self._context) + pdu)
        flags = account.flags | v3.REPORTABLE
        return v3.written(ber.integer(number), flags, account, self._engine_id, boots, time, self._salt, scoped)

    def read(self, data: bytes, now: float, is_asked: Callable[[int], bool]) -> Answer:
        try:
            message = v3.read(data)
            if not is_asked(message.number):
                return NOTHING
            level = message.flags & ~v3.REPORTABLE
            if level and not self._believes(data, message, now):
                return NOTHING
            scoped = v3.scoped_pdu(data, message, self._account)
            begin, end = v3.enter_scoped(scoped)
            _engine, at = ber.enter(scoped, begin, end, ber.OCTETS)
            _context, at = ber.enter(scoped, at, end, ber.OCTETS)
            if at < end and scoped[at] == REPORT:
                return self._report(message, _counter(scoped, at, end))
            if level != self._account.flags or not level:
                return NOTHING
            return _response(scoped, at, end, message.number)
        except Unusual:
            return NOTHING

    def _believes(self, data: bytes, message: v3.Message, now: float) -> bool:
        """Whether it is authentic and not old; what it says of that engine's time is learned then."""
        if message.engine_id != self._engine_id or message.name != self._account.name:
            return False
        if not message.flags & v3.AUTH or not v3.is_authentic(data, message, self._account):
            return False
        said = message.boots, message.time
        if said > (self._boots, self._latest):
            self._boots, self._latest = said
            self._began = now - message.time
        is_late = message.time < now - self._began - v3.WINDOW_SECONDS
        return message.boots == self._boots and 0 < message.boots < BOOTS_LIMIT and not is_late

    def _report(self, message: v3.Message, counter: int) -> Answer:
        number = message.number
        if counter == _UNKNOWN_ENGINE and len(message.engine_id) in _ENGINE_OCTETS:
            if message.engine_id != self._engine_id:
                self._turn_to(message.engine_id)
                return Answer(Verdict.AGAIN, number)
            return Answer(Verdict.TROUBLE, number, words="it does not know its own engine id")
        if counter == _NOT_IN_TIME:  # what is not authentic must not move the clock
            return Answer(Verdict.AGAIN, number) if message.flags & v3.AUTH else NOTHING
        words = _REPORTS.get(counter)
        return Answer(Verdict.TROUBLE, number, words=words) if words else NOTHING

    def _turn_to(self, engine_id: bytes) -> None:
        self._engine_id = engine_id
        self._boots = self._latest = 0
        keys = localized(self._user, self._keys, engine_id)
        self._account = v3.account_of(self._user, keys) if engine_id else v3.NOBODY


def _response(data: bytes, at: int, end: int, message: int | None) -> Answer:
    """Raises `Unusual`."""
    begin, stop = ber.enter(data, at, end, RESPONSE)
    request, at = ber.read_integer(data, begin, stop)
    status, at = ber.read_integer(data, at, stop)
    if status:
        return Answer(Verdict.REFUSED, message, request, f"it refuses informs with error status {status}")
    return Answer(Verdict.ACKNOWLEDGED, message, request)


def _counter(scoped: bytes, at: int, end: int) -> int:
    """The number in usmStats of the counter that a report is about; 0 = it is about something else.

    Raises `Unusual`.
    """
    at, stop = ber.enter(scoped, at, end, REPORT)
    for _ in range(3):
        _number, at = ber.read_integer(scoped, at, stop)
    at, stop = ber.enter(scoped, at, stop, ber.SEQUENCE)
    at, stop = ber.enter(scoped, at, stop, ber.SEQUENCE)
    at, stop = ber.enter(scoped, at, stop, ber.OBJECT)
    oid: Oid = ber.read_oid(scoped[at:stop])
    size = len(USER_SECURITY)
    return oid[size] if len(oid) == size + 2 and oid[:size] == USER_SECURITY else 0

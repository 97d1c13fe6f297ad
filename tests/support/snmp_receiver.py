"""A receiver of informs of version 3 that a test can have lie: an authoritative engine, as small as it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.exporters.snmp import ber, v3
from snqd.exporters.snmp.usm import keys_of
from tests.support.snmp import USER

if TYPE_CHECKING:
    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.settings import User

USM_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
NOT_IN_TIME, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST = 2, 3, 4, 5
RESPONSE, REPORT = 0xA2, 0xA8


class Receiver:
    """Its clock stands still unless a test moves `time`."""

    def __init__(self, engine_id: bytes = b"\x80\0\0\0\5their", user: User = USER) -> None:
        self.boots, self.time = 7, 1000
        self.status = 0
        self.received: list[int] = []
        """Request ids of the informs that were taken."""
        self._user = user
        self.become(engine_id)

    def become(self, engine_id: bytes) -> None:
        """Another engine."""
        self.engine_id = engine_id
        self._account = v3.account_of(self._user, keys_of(self._user, engine_id))

    def answer(self, data: bytes) -> bytes:
        message = v3.read(data)
        if message.engine_id != self.engine_id:
            return self.report(data, UNKNOWN_ENGINE)
        if not v3.is_authentic(data, message, self._account):
            return self.report(data, WRONG_DIGEST)
        if message.boots != self.boots or abs(message.time - self.time) > v3.WINDOW_SECONDS:
            return self.report(data, NOT_IN_TIME, flags=v3.AUTH)
        request = self.request_of(data)
        self.received.append(request)
        return self.response(data, request)

    def request_of(self, data: bytes) -> int:
        message = v3.read(data)
        scoped = v3.scoped_pdu(data, message, self._account)
        begin, end = v3.enter_scoped(scoped)
        for _ in range(2):
            begin = ber.enter(scoped, begin, end, ber.OCTETS)[1]
        begin, end = ber.enter(scoped, begin, end, 0xA6)
        return ber.read_integer(scoped, begin, end)[0]

    def response(self, data: bytes, request: int, *, flags: int = v3.AUTH | v3.PRIVACY) -> bytes:
        pdu = ber.integer(request) + ber.integer(self.status) + ber.integer(0) + ber.tlv(ber.SEQUENCE, b"")
        return self._written(data, ber.tlv(RESPONSE, pdu), flags)

    def report(self, data: bytes, counter: int, *, flags: int = 0) -> bytes:
        name = ber.tlv(ber.OBJECT, ber.oid_content((*USM_STATS, counter, 0)))
        bindings = ber.tlv(ber.SEQUENCE, ber.tlv(ber.SEQUENCE, name + ber.integer(1, ber.COUNTER32)))
        return self._written(data, ber.tlv(REPORT, ber.integer(0) + ber.integer(0) + ber.integer(0) + bindings), flags)

    def _written(self, data: bytes, pdu: bytes, flags: int) -> bytes:
        number = v3.read(data).number_raw
        scoped = ber.tlv(ber.SEQUENCE, v3.scope(self.engine_id) + pdu)
        return v3.written(number, flags, self._account, self.engine_id, self.boots, self.time, 5, scoped)

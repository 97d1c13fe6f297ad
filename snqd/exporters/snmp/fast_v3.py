"""The fast path of version 3: authentic requests of known users, within the time window, answered without a library.

Everything that is doubtful is left to pysnmp (`None`), which reports and counts it: discovery, unknown users, wrong
digests, other times, other contexts, a level of security that is not the user's. So nothing is answered here that was
not authentic, and nothing is refused here.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from snqd.exporters.snmp import ber, v3
from snqd.exporters.snmp.answering import WRAPPED_V3, encode_pdu, room_for
from snqd.exporters.snmp.ber import Unusual
from snqd.exporters.snmp.identity import BOOTS_LIMIT
from snqd.exporters.snmp.pdus import read_pdu

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.exporters.snmp.answering import Answerer
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.pdus import ReadPdu
    from snqd.exporters.snmp.settings import User
    from snqd.exporters.snmp.usm import Keys


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
        self._accounts = {user.name.encode(): v3.account_of(user, keys) for user, keys in users.items()}
        self._salt = secrets.randbits(64)
        self._scope = v3.scope(identity.engine_id)

    def answer(self, data: bytes) -> bytes | None:
        """None: this is not for the fast path."""
        try:
            return self._answer(data)
        except Unusual:
            return None

    def _answer(self, data: bytes) -> bytes:
        message = v3.read(data)
        account = self._accounts.get(message.name)
        if account is None or message.engine_id != self._identity.engine_id:
            raise Unusual("nobody that is known, or another engine")
        if message.flags & ~v3.REPORTABLE != account.flags or bool(message.salt) != bool(account.flags & v3.PRIVACY):
            raise Unusual("another level, or a salt without a cipher")
        if not v3.is_authentic(data, message, account):
            raise Unusual("not authentic")
        if not self._is_timely(message.boots, message.time):
            raise Unusual("not within the time window")
        read = self._read_scoped(v3.scoped_pdu(data, message, account))
        found = self._answerer.answer(read.request, room_for(read.request, WRAPPED_V3, message.most))
        scoped = ber.tlv(ber.SEQUENCE, self._scope + encode_pdu(read.request_id, found))
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        return v3.written(
            message.number_raw,
            account.flags,
            account,
            self._identity.engine_id,
            self._identity.boots,
            int(self._uptime()),
            self._salt,
            scoped,
        )

    def _is_timely(self, boots: int, time: int) -> bool:
        ours = self._identity.boots
        return boots == ours < BOOTS_LIMIT and time >= 0 and abs(int(self._uptime()) - time) <= v3.WINDOW_SECONDS

    def _read_scoped(self, scoped: bytes) -> ReadPdu:
        begin, end = v3.enter_scoped(scoped)
        size = len(self._scope)
        if scoped[begin : begin + size] != self._scope or begin + size >= end:
            raise Unusual("another context")
        return read_pdu(scoped, begin + size, end)

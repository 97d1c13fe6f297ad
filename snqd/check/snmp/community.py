"""Version 2c: whoever knows the word is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqd.check.snmp.pdus import decode
from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import RESPONSE
from snqd.exporters.snmp.ber import Unusual

if TYPE_CHECKING:
    from snqd.check.snmp.pdus import Response

_VERSION: Final = 1


class CommunitySession:
    """A `Session` of version 2c. Nothing proves who answers but the number of the request, which is drawn by lot."""

    def __init__(self, community: str) -> None:
        self._opening = ber.integer(_VERSION) + ber.tlv(ber.OCTETS, community.encode())

    def wrap(self, pdu: bytes, number: int) -> bytes:  # noqa: ARG002  (the number is in the PDU)
        return ber.tlv(ber.SEQUENCE, self._opening + pdu)

    def open(self, data: bytes, number: int) -> Response:
        at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
        version, at = ber.read_integer(data, at, end)
        if end != len(data) or version != _VERSION:
            raise Unusual("not a message of version 2c")
        _community, at = ber.enter(data, at, end, ber.OCTETS)
        response = decode(data, at, end)
        if response.pdu != RESPONSE or response.request_id != number:
            raise Unusual("an answer to something else")
        return response

    def doubt(self) -> str:
        return "does it run, is the community right, and may this host ask?"

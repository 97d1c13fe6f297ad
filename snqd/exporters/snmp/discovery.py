"""Messages of version 3 to an engine that is not ours, as a manager sends them that knows an earlier identity of us.

RFC 3414 (3.2, step 3) has the engine id judged first, and the report of `usmStatsUnknownEngineIDs` is how a manager
learns the right one. pysnmp looks for the user first, and would report that there is no such user, so it is given a
question for our engine id, with the same message id, in the place of such a message.
"""

from __future__ import annotations

from typing import Final

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import GET

_VERSION_3: Final = 3
_REPORTABLE: Final = 0x04
_NOTHING: Final = ber.tlv(ber.OCTETS, b"")
_ZERO: Final = ber.integer(0)
_SECURITY: Final = ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, _NOTHING + _ZERO + _ZERO + _NOTHING + _NOTHING + _NOTHING))
_QUESTION: Final = ber.tlv(
    ber.SEQUENCE,
    _NOTHING + _NOTHING + ber.tlv(GET, _ZERO + _ZERO + _ZERO + ber.tlv(ber.SEQUENCE, b"")),
)


def as_discovery(data: bytes, engine_id: bytes) -> bytes:
    """The question, for a message to another engine; every other message as it is."""
    try:
        at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
        version, header_at = ber.read_integer(data, at, end)
        if version != _VERSION_3:
            return data
        header, header_end = ber.enter(data, header_at, end, ber.SEQUENCE)
        _number, at = ber.read_integer(data, header, header_end)
        _most, flags_at = ber.read_integer(data, at, header_end)
        flags, flags_end = ber.enter(data, flags_at, header_end, ber.OCTETS)
        outer, outer_end = ber.enter(data, header_end, end, ber.OCTETS)
        at, security_end = ber.enter(data, outer, outer_end, ber.SEQUENCE)
        engine, engine_end = ber.enter(data, at, security_end, ber.OCTETS)
        if data[engine:engine_end] in (b"", engine_id) or flags_end - flags != 1:
            return data
    except ber.Unusual:
        return data
    level = bytes((data[flags] & _REPORTABLE,))
    asked = ber.tlv(ber.SEQUENCE, data[header:flags_at] + ber.tlv(ber.OCTETS, level) + data[flags_end:header_end])
    return ber.tlv(ber.SEQUENCE, ber.integer(_VERSION_3) + asked + _SECURITY + _QUESTION)

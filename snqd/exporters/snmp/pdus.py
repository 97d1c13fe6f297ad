"""Requests as bytes: the part that versions 2c and 3 have in common. What is not quite usual is left to pysnmp."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import GET, GET_BULK, GET_NEXT, Request
from snqd.exporters.snmp.ber import Unusual

READS: Final = (GET, GET_NEXT, GET_BULK)
_NULL: Final = b"\x05\x00"


class ReadPdu(NamedTuple):
    """`request_id` as it came, with tag and length."""

    request_id: bytes
    request: Request


def read_pdu(data: bytes, at: int, end: int) -> ReadPdu:
    """The Get, GetNext or GetBulk at `at`, which must end at `end`. Raises `Unusual`."""
    pdu = data[at]
    if pdu not in READS:
        raise Unusual("not a reading request")
    begin, stop = ber.enter(data, at, end, pdu)
    if stop != end:
        raise Unusual("something follows the request")
    _number, id_end = ber.read_integer(data, begin, stop)
    return ReadPdu(data[begin:id_end], read_request(pdu, data[id_end:stop]))


@lru_cache(maxsize=1024)
def read_request(pdu: int, data: bytes) -> Request:
    """What stands behind the request id. Raises `Unusual`.

    Remembers, since pollers ask the same again and again; some megabytes at most, and nothing of strangers: whoever
    comes here has named the community, or is a user.
    """
    stop = len(data)
    first, first_end = ber.read_integer(data, 0, stop)
    second, second_end = ber.read_integer(data, first_end, stop)
    at, last = ber.enter(data, second_end, stop, ber.SEQUENCE)
    if last != stop:
        raise Unusual("something follows the bindings")
    names = []
    while at < last:
        name_at, binding_end = ber.enter(data, at, last, ber.SEQUENCE)
        name, name_end = ber.enter(data, name_at, binding_end, ber.OBJECT)
        if data[name_end:binding_end] != _NULL:
            raise Unusual("a binding with a value")
        names.append(data[name:name_end])
        at = binding_end
    return Request(pdu, tuple(names), first, second) if pdu == GET_BULK else Request(pdu, tuple(names))

"""Requests as a manager writes them, and what the answers say. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from snqd.errors import SnqdError
from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import RESPONSE
from snqd.exporters.snmp.ber import Unusual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snqd.exporters.snmp.ber import Oid

REPORT: Final = 0xA8
_NULL: Final = bytes((ber.NULL, 0))


class Binding(NamedTuple):
    """An object and its value. `tag` also says why there is none (`ber.NO_SUCH_OBJECT` and its like)."""

    oid: Oid
    tag: int
    content: bytes


class Response(NamedTuple):
    """An answer. `status`: an error of SNMP, of the binding `at`, from 1 on; 0 = none."""

    pdu: int
    request_id: int
    status: int
    at: int
    bindings: list[Binding]


class Refused(SnqdError):
    """The agent says that it will not answer this."""


class Session(Protocol):
    """What stands around a PDU in a message, and who it is from."""

    def wrap(self, pdu: bytes, number: int) -> bytes:
        """The message to send now for `pdu`; `number` is that of its request."""

    def open(self, data: bytes, number: int) -> Response | None:
        """The answer to request `number`; None: it was about the asking itself, so wrap and send the request again.

        Raises `Unusual` for what is no answer to it, `Refused` when there will be none.
        """

    def doubt(self) -> str:
        """What may be wrong when no answer comes, as a question."""


def encode(pdu: int, number: int, oids: Iterable[Oid], non_repeaters: int = 0, max_repetitions: int = 0) -> bytes:
    """A Get, GetNext or GetBulk."""
    bindings = (ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT, ber.oid_content(oid)) + _NULL) for oid in oids)
    numbers = ber.integer(number) + ber.integer(non_repeaters) + ber.integer(max_repetitions)
    return ber.tlv(pdu, numbers + ber.tlv(ber.SEQUENCE, b"".join(bindings)))


def decode(data: bytes, at: int, end: int) -> Response:
    """The Response or Report at `at`, which must end at `end`. Raises `Unusual`."""
    pdu = data[at] if at < end else 0
    if pdu not in (RESPONSE, REPORT):
        raise Unusual("neither a response nor a report")
    at, stop = ber.enter(data, at, end, pdu)
    if stop != end:
        raise Unusual("something follows the response")
    number, at = ber.read_integer(data, at, stop)
    status, at = ber.read_integer(data, at, stop)
    index, at = ber.read_integer(data, at, stop)
    at, last = ber.enter(data, at, stop, ber.SEQUENCE)
    if last != stop:
        raise Unusual("something follows the bindings")
    return Response(pdu, number, status, index, list(_bindings(data, at, last)))


def _bindings(data: bytes, at: int, end: int) -> Iterator[Binding]:
    while at < end:
        begin, at = ber.enter(data, at, end, ber.SEQUENCE)
        name, name_end = ber.enter(data, begin, at, ber.OBJECT)
        if name_end >= at:
            raise Unusual("a binding without a value")
        tag = data[name_end]
        value, value_end = ber.enter(data, name_end, at, tag)
        if value_end != at:
            raise Unusual("something follows a value")
        yield Binding(ber.read_oid(data[name:name_end]), tag, data[value:value_end])

"""Answers requests from the tree, by RFC 3416 (and RFC 1157 for version 1), whatever codec brought them here.

An answer is never larger than it may be: what does not fit a GetBulk's answer is left out, what does not fit another
one makes it `tooBig`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.tree import binding, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqd.exporters.snmp.counters import Counters
    from snqd.exporters.snmp.tree import Tree

GET: Final = 0xA0
GET_NEXT: Final = 0xA1
RESPONSE: Final = 0xA2
GET_BULK: Final = 0xA5

MESSAGE_LIMIT: Final = 4096
"""Octets of the longest message that is taken, and given in answer to a Get or GetNext."""
BULK_LIMIT: Final = 1400
"""Octets of the longest answer to a GetBulk: it fits one frame, and is a small prize for who asks in another's name."""
BULK_BINDINGS: Final = 100

WRAPPED: Final = 112
"""Octets around the bindings of a message of version 1 or 2c at most, with the longest community."""
WRAPPED_V3: Final = 272
"""The same of version 3, with the longest engine id, user and digest."""

NO_ERROR: Final = 0
TOO_BIG: Final = 1
NO_SUCH_NAME: Final = 2
GENERAL_ERROR: Final = 5
NO_ACCESS: Final = 6
AUTHORIZATION_ERROR: Final = 16
NOT_WRITABLE: Final = 17

_NULL: Final = bytes((ber.NULL, 0))
_END: Final = bytes((ber.END_OF_MIB_VIEW, 0))

_NO_ERROR: Final = ber.integer(0) + ber.integer(0)


class Request(NamedTuple):
    """What is asked. `names` are the contents of object identifiers, as they came."""

    pdu: int
    names: Sequence[bytes]
    non_repeaters: int = 0
    max_repetitions: int = 0
    is_version_1: bool = False


class Answer(NamedTuple):
    """What is answered: error status, error index (`at`) and variable bindings, encoded."""

    status: int
    at: int
    bindings: Sequence[bytes]


class Answerer:
    """Reads the tree and counts what it did. `refresh` has the tree show what is known now."""

    def __init__(self, tree: Tree, counters: Counters, refresh: Callable[[], None]) -> None:
        self._tree = tree
        self._counters = counters
        self._refresh = refresh

    def answer(self, request: Request, room: int) -> Answer:
        """`room`: octets for all bindings of the answer. Raises `ber.Unusual` for names that are none."""
        self._refresh()
        found = self._bulk(request, room) if request.pdu == GET_BULK else self._one_each(request, room)
        counters = self._counters
        if request.pdu == GET:
            counters.in_get_requests += 1
        else:
            counters.in_get_nexts += 1  # RFC 3418 has no counter for GetBulk
        if found.status == NO_ERROR:
            counters.in_total_req_vars += len(found.bindings)
        return found

    def _one_each(self, request: Request, room: int) -> Answer:
        bindings: list[bytes] = []
        size = 0
        find = self._get if request.pdu == GET else self._next
        for number, name in enumerate(request.names, 1):
            try:
                found = find(name, request)
            except ber.Unusual:
                raise
            except Exception:  # a figure that cannot be told must not take the agent's answers down
                self._counters.defects += 1
                return _refused(GENERAL_ERROR, number, request)
            if found is None:
                return _refused(NO_SUCH_NAME, number, request)
            bindings.append(found)
            size += len(found)
        if size > room:
            return Answer(TOO_BIG, 0, _nulls(request.names) if request.is_version_1 else ())
        return Answer(NO_ERROR, 0, bindings)

    def _get(self, name: bytes, request: Request) -> bytes | None:
        """None: version 1 has no such name."""
        found = self._tree.get(ber.read_oid(name))
        if request.is_version_1:
            return None if isinstance(found, int) or _is_counter64(found) else found
        return binding(name, bytes((found, 0))) if isinstance(found, int) else found

    def _next(self, name: bytes, request: Request) -> bytes | None:
        tree = self._tree
        number, place = tree.next(ber.read_oid(name))
        while (found := tree.from_position(number, place)) is not None:
            told, number, place = found
            if not request.is_version_1 or not _is_counter64(told):
                return told
        return None if request.is_version_1 else binding(name, _END)

    def _bulk(self, request: Request, room: int) -> Answer:
        """As many bindings as there is room for, from the first on."""
        single = max(0, request.non_repeaters)
        bindings: list[bytes] = []
        try:
            for found in self._bulk_bindings(request.names[:single], request.names[single:], request):
                room -= len(found)
                if room < 0:
                    break
                bindings.append(found)
                if len(bindings) >= BULK_BINDINGS:
                    break
        except ber.Unusual:
            raise
        except Exception:  # as above
            self._counters.defects += 1
            return _refused(GENERAL_ERROR, min(len(bindings) + 1, len(request.names)), request)
        if not bindings and room < 0:
            return Answer(TOO_BIG, 0, ())
        return Answer(NO_ERROR, 0, bindings)

    def _bulk_bindings(self, single: Sequence[bytes], repeated: Sequence[bytes], request: Request) -> Iterable[bytes]:
        tree = self._tree
        for name in single:
            found = self._next(name, request)
            assert found is not None, "version 1 has no GetBulk"
            yield found
        if len(repeated) == 1:
            yield from self._column(repeated[0], request.max_repetitions)
            return
        ends = [binding(name, _END) for name in repeated]
        places: list[tuple[int, int] | None] = [tree.next(ber.read_oid(name)) for name in repeated]
        last: list[bytes | None] = [None] * len(places)
        for _ in range(request.max_repetitions):
            if not any(places):
                return
            for column, place in enumerate(places):
                next_one = None if place is None else tree.from_position(*place)
                if next_one is not None:
                    told, number, behind = next_one
                    places[column], last[column] = (number, behind), told
                    yield told
                    continue
                before = last[column]
                if before is not None:  # the end is told under the name of the last object before it
                    ends[column], last[column] = binding(parts(before)[0], _END), None
                places[column] = None
                yield ends[column]

    def _column(self, name: bytes, count: int) -> Iterable[bytes]:
        """What is behind one name: a walk."""
        last, left = None, max(0, count)
        for last in islice(self._tree.bindings(*self._tree.next(ber.read_oid(name))), left):
            left -= 1
            yield last
        if left:  # the end is told under the name of the last object before it
            yield binding(name if last is None else parts(last)[0], _END)


def room_for(request: Request, wrapped: int, most: int = MESSAGE_LIMIT) -> int:
    """Octets for the bindings of an answer. `wrapped`: what is around them; `most`: what the manager takes."""
    return min(BULK_LIMIT if request.pdu == GET_BULK else MESSAGE_LIMIT, most) - wrapped


def encode_pdu(request_id: bytes, answer: Answer) -> bytes:
    """The Response. `request_id`: as it came, with tag and length."""
    status = _NO_ERROR if answer.status == NO_ERROR else ber.integer(answer.status) + ber.integer(answer.at)
    return ber.tlv(RESPONSE, request_id + status + ber.tlv(ber.SEQUENCE, b"".join(answer.bindings)))


def _refused(status: int, index: int, request: Request) -> Answer:
    return Answer(status, index, _nulls(request.names))


def _nulls(names: Iterable[bytes]) -> list[bytes]:
    return [binding(name, _NULL) for name in names]


def _is_counter64(told: bytes) -> bool:
    return parts(told)[1][0] == ber.COUNTER64

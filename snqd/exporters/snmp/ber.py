"""BER as SNMP uses it: definite lengths and small numbers. What is any different is `Unusual`, and left to others."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

Oid = tuple[int, ...]

INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OBJECT: Final = 0x06
SEQUENCE: Final = 0x30
IP_ADDRESS: Final = 0x40
COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TIMETICKS: Final = 0x43
COUNTER64: Final = 0x46
NO_SUCH_OBJECT: Final = 0x80
NO_SUCH_INSTANCE: Final = 0x81
END_OF_MIB_VIEW: Final = 0x82

OID_LIMIT: Final = 128
"""Sub-identifiers of the longest object identifier."""
_SUBID_LIMIT: Final = 0xFFFFFFFF


class Unusual(Exception):
    """Bytes that are malformed, or well-formed in a way that is not understood here."""


class _Heads(dict[int, list[bytes]]):
    """Tag and short length as bytes, made when a tag is first used: all of them take a plugin longer than its work."""

    def __missing__(self, tag: int) -> list[bytes]:
        found = self[tag] = [bytes((tag, size)) for size in range(0x80)]
        return found


_HEADS: Final = _Heads()


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, length and content."""
    size = len(content)
    if size < 0x80:
        return _HEADS[tag][size] + content
    if size < 0x100:
        return bytes((tag, 0x81, size)) + content
    return bytes((tag, 0x82)) + size.to_bytes(2, "big") + content


def head_size(size: int) -> int:
    """Bytes of tag and length before a content of `size` bytes."""
    return 2 if size < 0x80 else 3 if size < 0x100 else 4


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A number with its tag: INTEGER and the kinds of SMI, which are all encoded alike."""
    size = ((value if value >= 0 else ~value).bit_length() >> 3) + 1
    return _HEADS[tag][size] + value.to_bytes(size, "big", signed=True)


def subids(numbers: Oid) -> bytes:
    """Sub-identifiers as they stand in an object identifier, from the third on."""
    out = bytearray()
    for number in numbers:
        if number < 0x80:
            out.append(number)
            continue
        parts = [number & 0x7F]
        while number := number >> 7:
            parts.append(0x80 | (number & 0x7F))
        out += bytes(reversed(parts))
    return bytes(out)


def oid_content(oid: Oid) -> bytes:
    """The content of an object identifier, without tag and length. It has two sub-identifiers at least."""
    return subids((40 * oid[0] + oid[1],)) + subids(oid[2:])


@lru_cache(maxsize=4096)
def read_oid(content: bytes) -> Oid:
    """The object identifier whose content this is. Raises `Unusual`.

    Remembers, since pollers ask for the same ones; some megabytes at most, whatever strangers ask for.
    """
    if not content or content[-1] & 0x80:
        raise Unusual("an object identifier is not complete")
    numbers = []
    number = 0
    begins = True
    for octet in content:
        if begins and octet == 0x80:
            raise Unusual("a sub-identifier has more octets than it needs")
        number = (number << 7) | (octet & 0x7F)
        begins = not octet & 0x80
        if begins:
            numbers.append(number)
            number = 0
    first = numbers[0]
    root = min(first // 40, 2)
    found = (root, first - 40 * root, *numbers[1:])
    if len(found) > OID_LIMIT or max(found) > _SUBID_LIMIT:
        raise Unusual("an object identifier is too large")
    return found


def enter(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Begin and end of the content of the element at `at`, which must have this tag. Raises `Unusual`."""
    if at + 2 > end or data[at] != tag:
        raise Unusual("another element was expected")
    size = data[at + 1]
    begin = at + 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 2 or begin + count > end:
            raise Unusual("a length that no datagram needs")
        size = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + size > end:
        raise Unusual("an element is longer than what holds it")
    return begin, begin + size


def read_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The INTEGER at `at`, of 32 bits at most, and where it ends. Raises `Unusual`."""
    begin, stop = enter(data, at, end, INTEGER)
    if not 1 <= stop - begin <= 4:
        raise Unusual("a number of no usual size")
    return int.from_bytes(data[begin:stop], "big", signed=True), stop

"""Kinds of values: how a figure of telemetry becomes a number or octets of SNMP.

No figure is too large: gauges end at their limit, counters begin again at 0 behind theirs, texts are cut.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.exporters.snmp import ber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GAUGE_LIMIT: Final = 0xFFFFFFFF
TEXT_OCTETS: Final = 255


class Kind(NamedTuple):
    """`syntax` is what the MIB calls it; `of` makes the number, the octets or the object identifier of a figure."""

    syntax: str
    tag: int
    of: Callable[[Any], int | bytes | ber.Oid]

    def encoded(self, figure: Any) -> bytes:
        """Tag, length and content."""
        return encoded(self.tag, self.of(figure))


def encoded(tag: int, content: int | bytes | ber.Oid) -> bytes:
    if isinstance(content, int):
        return ber.integer(content, tag)
    return ber.tlv(tag, content if isinstance(content, bytes) else ber.oid_content(content))


def text(value: str) -> bytes:
    """UTF-8, cut between two characters."""
    raw = value.encode(errors="replace")
    return raw if len(raw) <= TEXT_OCTETS else raw[:TEXT_OCTETS].decode(errors="ignore").encode()


def _gauge(value: float) -> int:
    return 0 if not value > 0 else GAUGE_LIMIT if value >= GAUGE_LIMIT else round(value)


def _thousandfold(value: float) -> int:
    return _gauge(value * 1000)


def _millionfold(value: float) -> int:
    return _gauge(value * 1_000_000)


def _hundredths(seconds: float) -> int:
    """An age. It ends at the limit, after 497 days; the clock of an uptime begins again (`UPTIME`)."""
    return _gauge(seconds * 100)


def _kibi(size_bytes: float) -> int:
    return _gauge(size_bytes / 1024)


def _counter32(value: int) -> int:
    return max(0, int(value)) & 0xFFFFFFFF


def _counter64(value: int) -> int:
    return max(0, int(value)) & 0xFFFFFFFFFFFFFFFF


def _signed(value: int) -> int:
    return min(max(int(value), -(2**31)), 2**31 - 1)


def _truth(value: object) -> int:
    return 1 if value else 2


def _same(value: Any) -> Any:
    return value


def states(names: Sequence[str]) -> Kind:
    """An enumeration whose numbers begin at 1; 0 is a word that this version does not know."""
    numbers = {name: number for number, name in enumerate(names, 1)}
    return Kind("INTEGER", ber.INTEGER, lambda name: numbers.get(name, 0))


TEXT: Final = Kind("SnqdText", ber.OCTETS, text)
TRUTH: Final = Kind("TruthValue", ber.INTEGER, _truth)
HEALTH: Final = Kind("SnqdHealthState", ber.INTEGER, int)
GAUGE: Final = Kind("Gauge32", ber.GAUGE32, _gauge)
UNSIGNED: Final = Kind("Unsigned32", ber.GAUGE32, _gauge)
SIGNED: Final = Kind("Integer32", ber.INTEGER, _signed)
MILLISECONDS: Final = Kind("Milliseconds", ber.GAUGE32, _thousandfold)
MICROSECONDS: Final = Kind("Microseconds", ber.GAUGE32, _millionfold)
MILLISECONDS_COUNTER: Final = Kind("Counter64", ber.COUNTER64, lambda seconds: _counter64(math.floor(seconds * 1000)))
THOUSANDTHS: Final = Kind("Thousandths", ber.GAUGE32, _thousandfold)
KIBIBYTES: Final = Kind("KibiBytes", ber.GAUGE32, _kibi)
AGE: Final = Kind("TimeTicks", ber.TIMETICKS, _hundredths)
UPTIME: Final = Kind("TimeTicks", ber.TIMETICKS, lambda seconds: _counter32(math.floor(seconds * 100)))
STAMP: Final = Kind("TimeStamp", ber.TIMETICKS, lambda seconds: _counter32(math.floor(seconds * 100)))
COUNTER32: Final = Kind("Counter32", ber.COUNTER32, _counter32)
COUNTER64: Final = Kind("Counter64", ber.COUNTER64, _counter64)
OCTETS: Final = Kind("OCTET STRING", ber.OCTETS, _same)
OBJECT: Final = Kind("OBJECT IDENTIFIER", ber.OBJECT, _same)

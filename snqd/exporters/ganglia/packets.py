"""The datagrams of gmond 3.1 and later: XDR (RFC 4506), one metric each. Pure.

A metric is told in two kinds of them: its definition, which gmond keeps, and its value. A value without a definition is
dropped in silence, so definitions are told again and again. gmond writes what it is told into its XML as it is: one `<`
in a title, and nobody can read the cluster any more. Hence `plain`.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DATAGRAM_BYTES: Final = 1464
"""gmond's own limit: what fits an Ethernet frame, less 8."""
TEXT_LIMIT: Final = 120
"""Characters of a group, a title or a description, so that all of them and the longest names fit a datagram."""

Type = Literal["uint32", "double"]

_DEFINITION: Final = 128
_TEXT_VALUE: Final = 133
_NUMBER: Final = struct.Struct(">I")
_BARRED: Final = frozenset("<>&\"'")


class Slope(IntEnum):
    """How a value changes, from which gmetad takes the kind of its RRD."""

    BOTH = 3
    """Up and down: a gauge."""
    DERIVATIVE = 5
    """A counter: gmetad keeps its rate. One that begins again is a dip; as `positive` it would be a spike of 2³²."""


class Definition(NamedTuple):
    """What a metric is."""

    name: str
    type: Type
    units: str
    slope: Slope
    group: str
    title: str
    description: str


class Sender(NamedTuple):
    """The host that metrics belong to. `is_spoofed`: `name` is `ADDRESS:NAME`, and not the host that sends."""

    name: str
    is_spoofed: bool = False


def definition(sender: Sender, metric: Definition, *, tmax_seconds: int, dmax_seconds: int) -> bytes:
    """A datagram. `tmax_seconds`: longest time between two values; `dmax_seconds`: gmond forgets it after so long."""
    extra = [("GROUP", metric.group), ("DESC", metric.description), ("TITLE", metric.title)]
    if sender.is_spoofed:
        extra.insert(0, ("SPOOF_HOST", sender.name))
    return b"".join(
        (
            _number(_DEFINITION),
            _identity(sender, metric.name),
            _text(metric.type),
            _text(metric.name),
            _text(plain(metric.units)),
            _number(metric.slope),
            _number(tmax_seconds),
            _number(dmax_seconds),
            _number(len(extra)),
            *_pairs(extra),
        )
    )


def value(sender: Sender, name: str, text: str) -> bytes:
    """A datagram that tells the value of the metric `name`, as text."""
    return b"".join((_number(_TEXT_VALUE), _identity(sender, name), _text("%s"), _text(text)))


def plain(text: str) -> str:
    """`text` with `_` for everything that means something in XML, or is not ASCII, cut to `TEXT_LIMIT`."""
    return "".join(sign if " " <= sign <= "~" and sign not in _BARRED else "_" for sign in text[:TEXT_LIMIT])


def _identity(sender: Sender, name: str) -> bytes:
    return _text(sender.name) + _text(name) + _number(sender.is_spoofed)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterable[bytes]:
    return (_text(key) + _text(plain(text)) for key, text in pairs)


def _number(number: int) -> bytes:
    return _NUMBER.pack(number)


def _text(text: str) -> bytes:
    """Its length, and the text filled up to a multiple of four."""
    raw = text.encode("ascii", "replace")
    return _NUMBER.pack(len(raw)) + raw + bytes(-len(raw) % 4)

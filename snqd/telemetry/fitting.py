"""Makes a fact that is too long for a datagram short enough: coarser histograms, then shorter texts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.telemetry.facts import EventFact
from snqd.telemetry.histogram import BUCKETS, Sparse, merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.telemetry.facts import AnyFact

_encoder = msgspec.msgpack.Encoder()
_CUT = "…"


def fitted(fact: AnyFact, limit: int) -> bytes:
    """The fact's bytes, at most `limit` (≥ 1,000) of them.

    What is cut is what a person would miss least: neighbouring buckets are put together, and only then the longest
    text is cut by half until the rest fits. Names of queues and sites are among the texts, so keys longer than
    several hundred bytes may become equal.
    """
    kind = type(fact)
    values: dict[str, Any] = {name: _encodable(each) for name, each in msgspec.structs.asdict(fact).items()}
    if isinstance(fact, EventFact):
        values["fields"] = plain_fields(fact.fields)
    histograms = {name: each for name, each in values.items() if isinstance(each, tuple)}
    encoded = _encoder.encode(kind(**values))
    step = 2
    while histograms and len(encoded) > limit and step < BUCKETS:
        values |= {name: coarser(each, step) for name, each in histograms.items()}
        encoded = _encoder.encode(kind(**values))
        step *= 2
    while len(encoded) > limit:
        _shorten_longest(values)
        encoded = _encoder.encode(kind(**values))
    return encoded


def coarser(histogram: Sparse, step: int) -> Sparse:
    """The same counts in buckets `step` times as wide, named by the uppermost of the buckets that went into them."""
    pairs = zip(histogram[::2], histogram[1::2], strict=False)
    return merged((min(bucket - bucket % step + step - 1, BUCKETS - 1), count) for bucket, count in pairs)


def plain_fields(fields: Mapping[str, object]) -> dict[str, Any]:
    """An event's fields as the wire takes them: strings, numbers and rows of these; anything else as text."""
    return {
        _text(name): tuple(map(_plain, each)) if isinstance(each, (list, tuple)) else _plain(each)
        for name, each in islice(fields.items(), 64)
    }


def _plain(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if -1e15 <= value <= 1e15 else str(value)
    return _text(value)


def _encodable(value: object) -> object:
    return _text(value) if isinstance(value, str) else value


def _text(value: object) -> str:
    """As text that can be sent: names of files may hold bytes that are not characters."""
    return str(value).encode(errors="replace").decode()


def _shorten_longest(values: dict[str, Any]) -> None:
    """Cut the longest text or row of `values` by half, or leave the field of an event out that has it as its name."""
    fields: dict[str, Any] = values.get("fields") or {}
    places = [(_size(each), values, name) for name, each in values.items() if isinstance(each, str)]
    places += [(_size(name) + _size(each), fields, name) for name, each in fields.items()]
    _longest, where, name = max(places, key=lambda place: place[0])
    value = where[name]
    if where is fields and _size(name) >= _size(value):
        del fields[name]
    elif isinstance(value, str):
        where[name] = value[: len(value) // 2] + _CUT
    else:
        where[name] = value[: len(value) // 2]


def _size(value: object) -> int:
    return len(_encoder.encode(value))

"""Items: the unit of work, its codecs, and the ids that must not be confused with other strings.

An item's *frame* is opaque bytes; its *codec* names how they become the payload that a handler gets. Only
the codecs of this module exist and none of them can run code: nothing is ever unpickled.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import lru_cache, partial
from math import isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NewType

import msgspec

from snqd.errors import BadItem
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ItemId = NewType("ItemId", int)
SiteName = NewType("SiteName", str)
QueueName = NewType("QueueName", str)

DEFAULT_SITE = SiteName("default")
DEFAULT_FRAME_LIMIT_BYTES = 1024 * 1024
UNIQUE_KEY_LIMIT = 255
"""Longest unique key, in characters."""
PRIORITY_LOWEST, PRIORITY_HIGHEST = -32768, 32767
CANARY = "canary"
"""The codec of canaries, items that the daemon sends the whole way to see that it works. No handler gets them, nobody
else can enqueue them (`encode` does not know the codec), and they are in no figure of the users' items."""


class NewItem(NamedTuple):
    """An item to be stored. `delay_seconds` counts from the store's clock; `available_at` (epoch seconds) wins.

    `priority`: smaller goes first, 0 is normal, -32768..32767. `unique_key`: while an item with the same site,
    queue and key waits or runs, another is not stored.
    """

    queue: QueueName
    frame: bytes
    codec: str = "json"
    site: SiteName = DEFAULT_SITE
    priority: int = 0
    delay_seconds: float = 0.0
    available_at: float | None = None
    unique_key: str | None = None


class Item(NamedTuple):
    """A claimed item, as the store hands it to the worker that holds it.

    A named tuple and not a dataclass: it is made from a row tens of thousands of times a second.
    `attempts` counts handlings that ended before this one, `crash_attempts` those that ended with the death of
    the worker. Times are epoch seconds by the store's clock. `token` is the fencing token: every word about the
    item's fate says it, and is refused when a later claim has another.
    """

    id: ItemId
    token: int
    site: SiteName
    queue: QueueName
    codec: str
    frame: bytes
    attempts: int
    crash_attempts: int
    created: float
    available_at: float
    priority: int


_new_item = partial(tuple.__new__, Item)


def items_of(rows: Iterable[Sequence[Any]]) -> list[Item]:
    """Items of rows that have their fields in order: `Item._make` for each would be Python code on a hot path."""
    return list(map(_new_item, rows))


Line = tuple[int, QueueName, SiteName, str]
"""Priority, queue, site and codec: what is handled alike, and waits its turn and is counted as one."""
line_of: Callable[[Item], Line] = itemgetter(10, 3, 2, 4)


def lines_of(items: Sequence[Item]) -> Mapping[Line, int]:
    """How many items of each line. Claims are a hot path: what is all alike, as in a backlog, is not hashed."""
    lines = list(map(line_of, items))
    if not lines:
        return {}
    return {lines[0]: len(lines)} if lines.count(lines[0]) == len(lines) else Counter(lines)


_codec = itemgetter(4)


@lru_cache(maxsize=4096)
def _queue_name(name: str) -> QueueName:
    """Remembers: names come again and again."""
    return QueueName(check_name("queue", name))


@lru_cache(maxsize=4096)
def _site_name(name: str) -> SiteName:
    return SiteName(check_name("site", name))


_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


def _raw_to_frame(payload: Any) -> bytes:
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError(f"codec 'raw' takes bytes, not {type(payload).__name__}")
    return bytes(payload)


def _text_to_frame(payload: Any) -> bytes:
    if not isinstance(payload, str):
        raise TypeError(f"codec 'text' takes a string, not {type(payload).__name__}")
    return payload.encode()


def _xml_to_frame(payload: Any) -> bytes:
    """XML as text or bytes. It is looked at where it is used: what may be in it depends on that (`snqd.xmpp`)."""
    if not isinstance(payload, str | bytes):
        raise TypeError(f"codec 'xml' takes a string or bytes, not {type(payload).__name__}")
    frame = payload.encode() if isinstance(payload, str) else payload
    if not frame.lstrip().startswith(b"<"):
        raise ValueError("it does not begin with '<'")
    return frame


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "json": _to_json,
    "raw": _raw_to_frame,
    "text": _text_to_frame,
    "xml": _xml_to_frame,
}
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "json": _from_json,
    "raw": bytes,
    "text": bytes.decode,
    "xml": bytes,
    "php": bytes,  # PHP's serialize(), imported from StatusNet: never executed, handlers get the bytes
}


def new_item(
    queue: str,
    payload: Any,
    *,
    site: str = DEFAULT_SITE,
    codec: str = "json",
    priority: int = 0,
    delay_seconds: float = 0.0,
    at: datetime | float | None = None,
    unique_key: str | None = None,
    frame_limit_bytes: int = DEFAULT_FRAME_LIMIT_BYTES,
) -> NewItem:
    """Make an item that can be enqueued; every entry into snqd goes through here.

    `at`: an aware datetime or epoch seconds; it wins over `delay_seconds`. Raises `BadItem`.
    """
    when, delay = None, 0.0
    if at is not None or delay_seconds:
        when, delay = _moment(at, delay_seconds), max(delay_seconds, 0.0)
    if unique_key is not None and not 0 < len(unique_key) <= UNIQUE_KEY_LIMIT:
        raise BadItem(f"unique key of {len(unique_key)} characters: it must have 1 to {UNIQUE_KEY_LIMIT}")
    if not PRIORITY_LOWEST <= priority <= PRIORITY_HIGHEST:
        raise BadItem(f"priority {priority} is out of range: {PRIORITY_LOWEST} (first) to {PRIORITY_HIGHEST} (last)")
    frame = encode(payload, codec, limit_bytes=frame_limit_bytes)
    return NewItem(_queue_name(queue), frame, codec, _site_name(site), priority, delay, when, unique_key)


def canary_item(queue: str, number: int, *, site: str = DEFAULT_SITE) -> NewItem:
    """A canary for a queue. `number` (0 or more) comes back in the ledger's table of canaries."""
    return NewItem(_queue_name(queue), str(number).encode(), CANARY, _site_name(site))


def users(items: Sequence[Item]) -> int:
    """How many of the items are no canaries."""
    return len(items) - list(map(_codec, items)).count(CANARY)


def _moment(at: datetime | float | None, delay_seconds: float) -> float | None:
    """`at` in epoch seconds. Raises `BadItem` for a time that cannot be one."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise BadItem(f"time {at.isoformat()} has no time zone: use datetime.now(UTC) or give tzinfo")
        at = at.timestamp()
    for name, seconds in (("delay_seconds", delay_seconds), ("at", at)):
        if seconds is not None and not isfinite(seconds):
            raise BadItem(f"{name} is {seconds}: it must be a finite number of seconds")
    return at


def encode(payload: Any, codec: str = "json", *, limit_bytes: int = DEFAULT_FRAME_LIMIT_BYTES) -> bytes:
    """The frame for `payload`. Raises `BadItem`: unknown codec, payload that the codec cannot carry, too large."""
    try:
        frame = ENCODERS[codec](payload)
    except KeyError:
        raise _unknown_codec(codec) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise BadItem(f"payload cannot be encoded with codec {codec!r}: {error}") from error
    return frame if len(frame) <= limit_bytes else check_frame(frame, limit_bytes=limit_bytes)


def decode(frame: bytes, codec: str) -> Any:
    """The payload in `frame`. Raises `BadItem`: unknown codec, frame not valid for it."""
    try:
        return DECODERS[codec](frame)
    except KeyError:
        raise _unknown_codec(codec) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise BadItem(f"frame is not valid for codec {codec!r}: {error}") from error


def check_frame(frame: bytes, *, limit_bytes: int = DEFAULT_FRAME_LIMIT_BYTES) -> bytes:
    """Return `frame` if it is small enough to be stored, else raise `BadItem`."""
    if len(frame) > limit_bytes:
        raise BadItem(
            f"frame of {len(frame):,} bytes is larger than the limit of {limit_bytes:,}: "
            "store the data elsewhere and enqueue a reference, or raise store.frame_limit_bytes"
        )
    return frame


def _unknown_codec(codec: str) -> BadItem:
    return BadItem(f"unknown codec {codec!r}: use one of {', '.join(sorted(ENCODERS))}")

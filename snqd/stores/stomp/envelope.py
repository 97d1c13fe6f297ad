"""The envelope: an item as the headers of a message. Its body is the frame and nothing else. Pure.

Any program enqueues with one SEND that says `snqd-queue`. Workers add `snqd-id` and `snqd-created` when they first see
such an item, and what they know of its past when they send it again.
"""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import BadItem
from snqd.items import DEFAULT_SITE, PRIORITY_HIGHEST, PRIORITY_LOWEST, ItemId, QueueName, SiteName
from snqd.names import check_name
from snqd.stores.fingerprint import fingerprint
from snqd.stores.history import error_text, extended, plain_text, read_history, traceback_text, write_history
from snqd.stores.records import HistoryEntry, ItemRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.items import NewItem

QUEUE, SITE, CODEC, PRIORITY = "snqd-queue", "snqd-site", "snqd-codec", "snqd-priority"
AT, DELAY = "snqd-at", "snqd-delay"
ID, CREATED, ATTEMPTS, CRASHES = "snqd-id", "snqd-created", "snqd-attempts", "snqd-crashes"
ERROR, HISTORY = "snqd-error", "snqd-history"
REASON, DIED, TRACEBACK = "snqd-reason", "snqd-died", "snqd-traceback"
CONTENT_TYPES = {"json": "application/json", "text": "text/plain;charset=utf-8", "xml": "application/xml"}

_HEADER_LIMIT_BYTES = 5_000
"""ActiveMQ takes no header longer than 10 KiB, in which colons and line ends count twice."""
_EPOCH_2020 = 1_577_836_800
_last_id = 0


def next_id() -> ItemId:
    """A number that rises with the time, and that no other program is likely to choose: milliseconds and 22 bits of
    chance. Nothing breaks when two are alike unless one worker holds both at once, and then it chooses anew.
    """
    global _last_id
    now = int((time.time() - _EPOCH_2020) * 1000) << 22
    _last_id = _last_id + 1 if now <= _last_id else now | random.getrandbits(22)
    return ItemId(_last_id)


class Envelope(NamedTuple):
    """What a message says of an item. Times in epoch seconds by the clock of who wrote them.

    `id` 0: the program that sent it gave none.
    """

    queue: QueueName
    site: SiteName
    codec: str
    frame: bytes
    id: ItemId
    priority: int = 0
    created: float = 0.0
    available_at: float = 0.0
    attempts: int = 0
    crash_attempts: int = 0
    error: str | None = None
    history: tuple[HistoryEntry, ...] = ()
    reason: str | None = None
    died: float | None = None
    traceback: str | None = None

    def failed(self, error: str, now: float) -> Envelope:
        """After one more handling that ended badly."""
        text = error_text(error)
        history = extended(list(self.history), HistoryEntry(now, self.attempts + 1, text))
        return self._replace(attempts=self.attempts + 1, error=text, history=tuple(history))

    def buried(self, reason: str, traceback: str, now: float) -> Envelope:
        return self._replace(reason=reason, traceback=traceback_text(traceback), died=now)

    def revived(self, now: float) -> Envelope:
        """Ready once more, with its history."""
        return self._replace(attempts=0, crash_attempts=0, reason=None, died=None, traceback=None, available_at=now)

    def record(self, state: str) -> ItemRecord:
        return ItemRecord(
            id=self.id,
            site=self.site,
            queue=self.queue,
            state=state,
            codec=self.codec,
            frame=self.frame,
            frame_bytes=len(self.frame),
            priority=self.priority,
            created=self.created,
            available_at=self.available_at,
            attempts=self.attempts,
            crash_attempts=self.crash_attempts,
            last_error=self.error,
            history=self.history,
            reason=self.reason,
            traceback=self.traceback,
            died=self.died,
            fingerprint=fingerprint(self.error or "", self.traceback or "") if self.reason is not None else None,
        )


def envelope_of(item: NewItem, now: float) -> Envelope:
    """A new item's. Raises `BadItem` for what no broker keeps."""
    if item.unique_key is not None and item.codec != "canary":
        raise BadItem(
            f"item for queue {item.queue!r} has a unique key, which a STOMP broker does not keep: leave it out and "
            "let the handler bear a second run, or use a PostgreSQL or SQLite store"
        )
    at = item.available_at if item.available_at is not None else now + item.delay_seconds
    return Envelope(item.queue, item.site, item.codec, item.frame, next_id(), item.priority, now, at)


def to_headers(envelope: Envelope) -> dict[str, str]:
    """The headers of a SEND, without its destination."""
    headers = {
        "persistent": "true",
        QUEUE: envelope.queue,
        SITE: envelope.site,
        CODEC: envelope.codec,
        ID: str(envelope.id),
        CREATED: f"{envelope.created:.6f}",
        "content-type": CONTENT_TYPES.get(envelope.codec, "application/octet-stream"),
    }
    if envelope.priority:
        headers[PRIORITY] = str(envelope.priority)
    if envelope.available_at != envelope.created:
        headers[AT] = f"{envelope.available_at:.6f}"
    if envelope.attempts:
        headers[ATTEMPTS] = str(envelope.attempts)
    if envelope.crash_attempts:
        headers[CRASHES] = str(envelope.crash_attempts)
    if envelope.error is not None:
        headers[ERROR] = _text(envelope.error)
    if envelope.history:
        headers[HISTORY] = _history_text(envelope.history)
    if envelope.reason is not None:
        headers[REASON] = envelope.reason
        headers[DIED] = f"{envelope.died or 0.0:.6f}"
        headers[TRACEBACK] = _tail(envelope.traceback or "")
    return headers


def from_message(headers: Mapping[str, str], body: bytes, now: float) -> Envelope:
    """What a message is. Raises `BadItem` for one that is no item."""
    queue = headers.get(QUEUE)
    if queue is None:
        raise BadItem(f"a message for {headers.get('destination', '?')} has no header {QUEUE}: it names no queue")
    created = _number(headers, CREATED, now)
    at = headers.get(AT)
    delay = _number(headers, DELAY, 0.0) if ID not in headers else 0.0
    died = headers.get(DIED)
    return Envelope(
        queue=QueueName(check_name("queue", queue)),
        site=SiteName(check_name("site", headers.get(SITE, DEFAULT_SITE))),
        codec=headers.get(CODEC, "json"),
        frame=body,
        id=ItemId(int(_number(headers, ID, 0, int))),
        priority=max(PRIORITY_LOWEST, min(PRIORITY_HIGHEST, int(_number(headers, PRIORITY, 0, int)))),
        created=created,
        available_at=_number(headers, AT, created) if at is not None else created + delay,
        attempts=int(_number(headers, ATTEMPTS, 0, int)),
        crash_attempts=int(_number(headers, CRASHES, 0, int)),
        error=headers.get(ERROR),
        history=tuple(read_history(headers.get(HISTORY))),
        reason=headers.get(REASON),
        died=None if died is None else _number(headers, DIED, 0.0),
        traceback=headers.get(TRACEBACK),
    )


def unreadable(body: bytes, error: BadItem, now: float) -> Envelope:
    """The dead letter for a message that is no item."""
    nobody = Envelope(QueueName("unreadable"), DEFAULT_SITE, "raw", body, next_id(), created=now, available_at=now)
    return nobody.failed(str(error), now).buried("bad_item", "", now)


def _number(headers: Mapping[str, str], name: str, otherwise: float, kind: type[int | float] = float) -> float:
    text = headers.get(name)
    if text is None:
        return otherwise
    try:
        found = kind(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadItem(f"a message has the header {name}: {text[:40]!r}, which is no number")
    return found


def _text(text: str) -> str:
    """As a header can hold it: carriage returns do not survive."""
    text = plain_text(text).replace("\r", "")
    raw = text.encode()
    return text if len(raw) <= _HEADER_LIMIT_BYTES else raw[:_HEADER_LIMIT_BYTES].decode(errors="ignore")


def _tail(text: str) -> str:
    """The end of a traceback says what happened."""
    return plain_text(text).replace("\r", "").encode()[-_HEADER_LIMIT_BYTES:].decode(errors="ignore")


def _history_text(history: tuple[HistoryEntry, ...]) -> str:
    """As much as fits: errors are cut, since the last one is told in full elsewhere."""
    limit = 300
    text = write_history(list(history))
    while len(text.encode()) > _HEADER_LIMIT_BYTES:
        text = write_history([entry._replace(error=entry.error[:limit]) for entry in history])
        limit //= 2
    return text

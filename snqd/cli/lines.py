"""A line becomes an item. The bytes of a JSON payload are checked once and stored as they came, not written anew."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

import msgspec

from snqd.cli.values import parse_time
from snqd.errors import BadItem
from snqd.items import (
    DEFAULT_SITE,
    PRIORITY_HIGHEST,
    PRIORITY_LOWEST,
    UNIQUE_KEY_LIMIT,
    NewItem,
    QueueName,
    SiteName,
    check_frame,
    decode,
)

if TYPE_CHECKING:
    from snqd.cli.enqueue import ItemFlags
    from snqd.cli.known import Known

_LONGEST_DELAY_SECONDS = 100 * 366 * 86400.0
_LATEST_EPOCH_SECONDS = 253_402_300_799.0  # the end of the year 9999, where databases' calendars end


class Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One line of `snqd enqueue -`. What is missing is taken from the flags."""

    queue: str
    payload: msgspec.Raw
    site: str | None = None
    codec: str | None = None
    priority: int | None = None
    delay_seconds: float | None = None
    at: float | str | None = None
    unique_key: str | None = None


class ItemMaker:
    """Makes items of lines: of envelopes when `queue` is None, else of payloads. Raises `BadItem`."""

    def __init__(
        self, flags: ItemFlags, *, frame_limit_bytes: int, queue: str | None = None, known: Known | None = None
    ) -> None:
        self._flags = flags
        self._queue = queue
        self._known = known
        self._site = flags.site if flags.site is not None else DEFAULT_SITE
        self._frame_limit = frame_limit_bytes
        self._decode_line = msgspec.json.Decoder(Line).decode
        self.line_limit = 2 * frame_limit_bytes + 65536
        """No right line is longer: base64 and JSON quoting make a frame grow by less than this."""
        _check_key(flags.unique_key)

    def make(self, line: bytes) -> NewItem:
        """The item of one line, without its newline."""
        if self._queue is not None:
            item = self.from_frame(self._queue, line)
            if self._known is not None:
                self._known.check(item.queue, item.site)
            return item
        return self._from_envelope(line)

    def from_frame(self, queue: str, frame: bytes) -> NewItem:
        """An item with exactly these bytes, everything else from the flags."""
        flags = self._flags
        check_frame(frame, limit_bytes=self._frame_limit)
        decode(frame, flags.codec)
        return NewItem(
            QueueName(queue),
            frame,
            flags.codec,
            SiteName(self._site),
            flags.priority,
            flags.delay_seconds,
            flags.available_at,
            flags.unique_key,
        )

    def _from_envelope(self, line: bytes) -> NewItem:
        try:
            found = self._decode_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadItem(_envelope_message(error)) from error
        flags = self._flags
        codec = found.codec if found.codec is not None else flags.codec
        frame = bytes(found.payload) if codec == "json" else _frame(found.payload, codec)
        if len(frame) > self._frame_limit:
            check_frame(frame, limit_bytes=self._frame_limit)
        decode(frame, codec)  # what the worker will do: `Raw` has looked at the brackets only
        site = found.site if found.site is not None else self._site
        if self._known is not None:
            self._known.check(found.queue, site)
        if found.priority is found.delay_seconds is found.at is found.unique_key is None:  # most lines, by the million
            queue = QueueName(found.queue)
            when = flags.delay_seconds, flags.available_at
            return NewItem(queue, frame, codec, SiteName(site), flags.priority, *when, flags.unique_key)
        return self._with_extras(found, frame, codec, site)

    def _with_extras(self, found: Line, frame: bytes, codec: str, site: str) -> NewItem:
        priority = found.priority if found.priority is not None else self._flags.priority
        key = found.unique_key if found.unique_key is not None else self._flags.unique_key
        _check_priority(priority)
        _check_key(key)
        delay_seconds, available_at = self._schedule(found)
        return NewItem(QueueName(found.queue), frame, codec, SiteName(site), priority, delay_seconds, available_at, key)

    def _schedule(self, found: Line) -> tuple[float, float | None]:
        """Delay and time of the line if it has one, else those of the flags."""
        if found.delay_seconds is None and found.at is None:
            return self._flags.delay_seconds, self._flags.available_at
        if found.delay_seconds is not None and found.at is not None:
            raise BadItem('give "delay_seconds" or "at", not both')
        if found.delay_seconds is not None:
            if not 0 <= found.delay_seconds <= _LONGEST_DELAY_SECONDS:
                raise BadItem(f'"delay_seconds" is {found.delay_seconds:g}: must be 0 to {_LONGEST_DELAY_SECONDS:.0f}')
            return found.delay_seconds, None
        try:
            at = parse_time(found.at) if isinstance(found.at, str) else found.at
        except ValueError as error:
            raise BadItem(f'"at": {error}') from None
        if at is None or not 0 <= at <= _LATEST_EPOCH_SECONDS:
            raise BadItem('"at" must be epoch seconds from 0 to the year 9999, or text as in "2027-01-31T18:00Z"')
        return 0.0, at


def frame_of_text(text: str) -> bytes:
    """The bytes that were typed, even if they are not valid in the terminal's encoding."""
    return text.encode(errors="surrogateescape")


def _frame(payload: msgspec.Raw, codec: str) -> bytes:
    raw = bytes(payload)
    if codec == "json":
        return raw
    try:
        text = msgspec.json.decode(raw, type=str)
        return base64.b64decode(text, validate=True) if codec == "raw" else text.encode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = "base64 text" if codec == "raw" else "text"
        raise BadItem(f'codec {codec!r} wants "payload" to be {kind}') from error
    except binascii.Error as error:
        raise BadItem(f"codec 'raw' wants \"payload\" to be base64 text: {error}") from error


def _check_priority(priority: int) -> None:
    if not PRIORITY_LOWEST <= priority <= PRIORITY_HIGHEST:
        raise BadItem(f'"priority" is {priority}: must be {PRIORITY_LOWEST} (first) to {PRIORITY_HIGHEST} (last)')


def _check_key(key: str | None) -> None:
    if key is not None and (not 0 < len(key) <= UNIQUE_KEY_LIMIT or "\0" in key):
        raise BadItem(f"unique key must be 1 to {UNIQUE_KEY_LIMIT} characters without NUL")


_TYPE_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "object": "an object", "array": "a list"}


def _envelope_message(error: Exception) -> str:
    """The decoder's message in the words of someone who writes JSON, not Python."""
    message = str(error).removeprefix("Object ")
    if not isinstance(error, msgspec.ValidationError):
        return f"not valid JSON: {message.removeprefix('JSON is malformed: ')}"
    message = re.sub(r" - at `\$\.(\w+)`", r' in "\1"', message)
    message = re.sub(r"`(\w+)(?: \| [^`]*)?`", lambda found: _TYPE_WORDS.get(found[1], f'"{found[1]}"'), message)
    return f'not an item: {message[:1].lower()}{message[1:]}; a line is {{"queue": "mail", "payload": …}}'

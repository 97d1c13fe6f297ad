"""How an item is shown: as a row, in full, or as JSON. Payloads only when they are asked for."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from snqd.cli.output import (
    clipped,
    duration_words,
    narrate,
    print_json,
    printable,
    size_words,
    table_lines,
    time_words,
)
from snqd.errors import BadItem
from snqd.items import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from snqd.stores.base import ItemRecord

LIST_LIMIT = 100
"""Rows of a list when nothing else is asked for."""
_NUMBERS = frozenset({"ID", "PRIORITY", "AGE", "ATTEMPTS"})
_ERROR_WIDTH = 60


class Layout(NamedTuple):
    """Columns of a list. `row` takes a record and the time now in epoch seconds."""

    headers: tuple[str, ...]
    row: Callable[[ItemRecord, float], tuple[object, ...]]


def print_list(
    found: Iterable[ItemRecord], layout: Layout, *, limit: int | None, as_json: bool, with_payload: bool
) -> None:
    """Print records as they come; `limit` None means that the list was cut at `LIST_LIMIT` unasked."""
    shown = 0
    if as_json:
        for record in found:
            print_json(_as_json(record, with_payload=with_payload))
            shown += 1
    else:
        now = time.time()
        for shown, line in enumerate(  # noqa: B007  (used after the loop; the header is line 0)
            table_lines(layout.headers, (layout.row(record, now) for record in found), right=_NUMBERS)
        ):
            click.echo(line)
    if limit is None and shown == LIST_LIMIT:
        narrate(f"only the first {LIST_LIMIT} are shown: --limit 0 shows all")


def print_record(record: ItemRecord, *, as_json: bool, with_payload: bool) -> None:
    """Print one record in full."""
    if as_json:
        print_json(_as_json(record, with_payload=with_payload))
        return
    for line in _in_full(record, with_payload=with_payload):
        click.echo(line)


def _waiting_row(record: ItemRecord, now: float) -> tuple[object, ...]:
    due = f"in {duration_words(record.available_at - now)}" if record.state == "scheduled" else "-"
    return (
        record.id,
        record.state,
        record.queue,
        record.site,
        record.priority,
        duration_words(now - record.created),
        due,
        record.attempts,
        clipped(record.last_error or "-", _ERROR_WIDTH),
    )


def _dead_row(record: ItemRecord, now: float) -> tuple[object, ...]:
    died = f"{duration_words(now - record.died)} ago" if record.died is not None else "-"
    error = clipped(record.last_error or "-", _ERROR_WIDTH)
    return record.id, record.reason, record.queue, record.site, died, record.attempts, error


WAITING = Layout(
    ("ID", "STATE", "QUEUE", "SITE", "PRIORITY", "AGE", "DUE", "ATTEMPTS", "LAST ERROR"),
    _waiting_row,
)
DEAD = Layout(("ID", "REASON", "QUEUE", "SITE", "DIED", "ATTEMPTS", "ERROR"), _dead_row)


def _as_json(record: ItemRecord, *, with_payload: bool) -> dict[str, Any]:
    """A record for `--json`; the frame only as its size, unless the payload is wanted."""
    found: dict[str, Any] = {
        name: getattr(record, name) for name in type(record).__dataclass_fields__ if name not in ("frame", "history")
    }
    found["history"] = [entry._asdict() for entry in record.history]
    found["frame_bytes"] = len(record.frame)
    if with_payload:
        found.update(_payload(record))
    return found


def _in_full(record: ItemRecord, *, with_payload: bool) -> Iterator[str]:
    """Lines that tell everything about an item."""
    yield from (f"{name:<16}{printable(value)}" for name, value in _facts(record))
    for entry in record.history:
        yield f"{'attempt ' + str(entry.attempt):<16}{time_words(entry.at)}  {printable(clipped(entry.error, 200))}"
    if record.traceback:
        yield "traceback"
        yield from (f"    {printable(line)}" for line in record.traceback.rstrip().splitlines())
    if with_payload:
        yield "payload"
        yield from (f"    {printable(line)}" for line in _payload_text(record).splitlines())


def _facts(record: ItemRecord) -> Iterator[tuple[str, str]]:
    yield "id", str(record.id)
    yield "queue", record.queue
    yield "site", record.site
    yield "state", record.state + (f" ({record.reason})" if record.reason else "")
    yield "created", f"{time_words(record.created)} ({duration_words(time.time() - record.created)} ago)"
    if record.state == "scheduled":
        yield "due", time_words(record.available_at)
    if record.died is not None:
        yield "died", f"{time_words(record.died)} ({duration_words(time.time() - record.died)} ago)"
    yield "priority", str(record.priority)
    yield "attempts", str(record.attempts) + (f", {record.crash_attempts} crashed" if record.crash_attempts else "")
    if record.unique_key is not None:
        yield "unique key", record.unique_key
    if record.claimed_by is not None:
        yield "claimed by", f"{record.claimed_by}, until {time_words(record.lease_until)}"
    yield "frame", f"{size_words(len(record.frame))}, codec {record.codec}"
    if record.last_error:
        yield "last error", record.last_error.strip()


def _payload(record: ItemRecord) -> dict[str, Any]:
    try:
        payload = decode(record.frame, record.codec)
    except BadItem:
        payload = record.frame
    if isinstance(payload, bytes):
        return {"payload_base64": base64.b64encode(payload).decode()}
    return {"payload": payload}


def _payload_text(record: ItemRecord) -> str:
    import msgspec

    if record.codec == "json":
        try:
            return msgspec.json.format(record.frame.decode(), indent=2)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # shown as the bytes that they are
    return record.frame.decode(errors="backslashreplace")

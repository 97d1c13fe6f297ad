"""How an item is shown: as a row, in full, or as JSON. Payloads only when they are asked for."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from snqd.cli.output import (
    clipped,
    duration_words,
    narrate,
    narrate_on_terminal,
    print_json,
    printable,
    size_words,
    table_lines,
    time_words,
)
from snqd.cli.values import place_text
from snqd.errors import BadItem
from snqd.items import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from snqd.stores.base import Store
    from snqd.stores.corrections import Place
    from snqd.stores.records import ItemFilter, ItemRecord

LIST_LIMIT = 100
"""Rows of a list when nothing else is asked for."""
_NUMBERS = frozenset({"ID", "PRIORITY", "AGE", "ATTEMPTS"})
_ERROR_WIDTH = 60
_PAGE = 200


class _Layout(NamedTuple):
    """Columns of a list. `row` takes a record and the time now in epoch seconds."""

    headers: tuple[str, ...]
    row: Callable[[ItemRecord, float], tuple[object, ...]]


def print_waiting(
    found: Iterable[ItemRecord], now: float, *, limit: int | None, is_asked: bool, as_json: bool, with_payload: bool
) -> None:
    """Print waiting items as they come. `now`: the store's clock."""
    shown = _print(found, _WAITING, now, as_json=as_json, with_payload=with_payload)
    if shown.rows == limit:
        _narrate(is_asked=is_asked)(f"only the first {shown.rows} are shown: --limit 0 shows all")


def print_dead(
    found: Iterable[ItemRecord], now: float, *, limit: int | None, is_asked: bool, as_json: bool, with_payload: bool
) -> None:
    """Print dead letters as they come."""
    shown = _print(found, _DEAD, now, as_json=as_json, with_payload=with_payload)
    if shown.rows == limit and shown.last is not None:
        next_page = f"--after {place_text(shown.last.place)} the next page"
        _narrate(is_asked=is_asked)(f"only the newest {shown.rows} are shown: --limit 0 shows all, {next_page}")


def dead_letters(store: Store, wanted: ItemFilter, after: Place | None, *, frames: bool) -> Iterator[ItemRecord]:
    """From the newest death back, page by page: any number in constant memory."""
    left, place = wanted.limit, after
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = store.dead_page(replace(wanted, limit=size), after=place, frames=frames)
        yield from page
        if len(page) < size:
            return
        place = page[-1].place
        left = None if left is None else left - size


def _narrate(*, is_asked: bool) -> Callable[[str], None]:
    """That a list was cut: a person who asked for it may still want the next page, a script does not."""
    return narrate_on_terminal if is_asked else narrate


class _Shown(NamedTuple):
    rows: int
    last: ItemRecord | None


def _print(found: Iterable[ItemRecord], layout: _Layout, now: float, *, as_json: bool, with_payload: bool) -> _Shown:
    count, last = 0, None

    def noted() -> Iterator[ItemRecord]:
        nonlocal count, last
        for last in found:
            count += 1
            yield last

    if as_json:
        for record in noted():
            print_json(_as_json(record, with_payload=with_payload))
    else:
        for line in table_lines(layout.headers, (layout.row(record, now) for record in noted()), right=_NUMBERS):
            click.echo(line)
    return _Shown(count, last)


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
    return record.id, record.fingerprint or "-", record.reason, record.queue, record.site, died, record.attempts, error


_WAITING = _Layout(
    ("ID", "STATE", "QUEUE", "SITE", "PRIORITY", "AGE", "DUE", "ATTEMPTS", "LAST ERROR"),
    _waiting_row,
)
_DEAD = _Layout(("ID", "GROUP", "REASON", "QUEUE", "SITE", "DIED", "ATTEMPTS", "ERROR"), _dead_row)


def _as_json(record: ItemRecord, *, with_payload: bool) -> dict[str, Any]:
    """A record for `--json`; the frame only as its size, unless the payload is wanted."""
    found: dict[str, Any] = {
        name: getattr(record, name) for name in type(record).__dataclass_fields__ if name not in ("frame", "history")
    }
    found["history"] = [entry._asdict() for entry in record.history]
    if record.died is not None:
        found["place"] = place_text(record.place)
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
    else:
        yield f"{'payload':<16}hidden: --payload shows it"


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
    if record.fingerprint is not None:
        yield "group", record.fingerprint
    yield "frame", f"{size_words(record.frame_bytes)}, codec {record.codec}"
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

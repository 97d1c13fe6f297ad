"""A line of `snqd enqueue -` becomes an item, or is refused with a reason before anything is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.cli.enqueue import ItemFlags
from snqd.cli.lines import ItemMaker
from snqd.errors import BadItem
from snqd.items import NewItem, decode

FLAGS = ItemFlags(site=None, codec="json", priority=0, delay_seconds=0.0, available_at=None, unique_key=None)
TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def make(line: str | bytes, flags: ItemFlags = FLAGS, *, queue: str | None = None, limit: int = 1000) -> NewItem:
    raw = line.encode() if isinstance(line, str) else line
    return ItemMaker(flags, frame_limit_bytes=limit, queue=queue).make(raw)


def test_a_line_needs_only_queue_and_payload() -> None:
    assert make('{"queue": "mail", "payload": {"a": [1, 2]}}') == NewItem("mail", b'{"a": [1, 2]}')  # type: ignore[arg-type]


def test_flags_fill_in_what_the_line_does_not_say() -> None:
    flags = FLAGS._replace(site="s", priority=5, delay_seconds=9.0, unique_key="k")

    assert make('{"queue":"q","payload":1}', flags)[2:] == ("json", "s", 5, 9.0, None, "k")
    assert make('{"queue":"q","payload":1,"site":"t","priority":1,"at":7,"unique_key":"l"}', flags)[2:] == (
        "json", "t", 1, 0.0, 7.0, "l",
    )  # fmt: skip


def test_a_time_may_be_written_as_text() -> None:
    assert make('{"queue":"q","payload":1,"at":"1970-01-01T00:01Z"}').available_at == 60.0


@given(JSON)
def test_a_payload_arrives_as_it_was_sent(payload: Any) -> None:
    line = msgspec.json.encode({"queue": "q", "payload": payload})

    item = make(line, limit=1_000_000)

    assert decode(item.frame, "json") == msgspec.json.decode(msgspec.json.encode(payload))


@given(st.binary(max_size=200))
def test_no_bytes_that_the_worker_could_not_decode_are_taken(junk: bytes) -> None:
    for line in (junk, b'{"queue":"q","payload":' + junk + b"}", b'{"queue":"q","payload":"' + junk + b'"}'):
        try:
            item = make(line)
        except BadItem:
            continue
        decode(item.frame, item.codec)


def test_text_and_raw_payloads_are_strings_in_an_envelope() -> None:
    assert make('{"queue":"q","payload":"h\\u00e9","codec":"text"}').frame == "hé".encode()
    assert make('{"queue":"q","payload":"aGk=","codec":"raw"}').frame == b"hi"


def test_with_a_queue_each_line_is_the_payload_itself() -> None:
    assert make(b'{"a":1}', queue="q").frame == b'{"a":1}'
    assert make(b"\xff\x00", FLAGS._replace(codec="raw"), queue="q").frame == b"\xff\x00"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not valid JSON"),
        ("nonsense", "not valid JSON: invalid character (byte "),
        ("[]", 'not an item: expected an object, got a list; a line is {"queue": "mail", "payload": …}'),
        ('{"queue":"q"}', 'not an item: missing required field "payload"'),
        ('{"payload":1}', 'not an item: missing required field "queue"'),
        ('{"queue":"q","payload":1,"prio":1}', 'not an item: contains unknown field "prio"'),
        ('{"queue":3,"payload":1}', 'not an item: expected text, got a whole number in "queue"'),
        ('{"queue":"q","payload":1e999}', "frame is not valid for codec 'json'"),
        (b'{"queue":"q","payload":"\xff"}', "frame is not valid for codec 'json'"),
        ('{"queue":"q","payload":1,"codec":"pickle"}', "codec"),
        ('{"queue":"q","payload":1,"codec":"text"}', "codec 'text' wants \"payload\" to be text"),
        ('{"queue":"q","payload":"%","codec":"raw"}', "codec 'raw' wants \"payload\" to be base64 text"),
        ('{"queue":"q","payload":1,"priority":40000}', '"priority" is 40000: must be -32768 (first) to 32767 (last)'),
        ('{"queue":"q","payload":1,"delay_seconds":-1}', '"delay_seconds" is -1: must be 0 to'),
        ('{"queue":"q","payload":1,"at":1e300}', '"at" must be epoch seconds'),
        ('{"queue":"q","payload":1,"at":"soon"}', "\"at\": 'soon' is not a time"),
        ('{"queue":"q","payload":1,"at":1,"delay_seconds":1}', 'give "delay_seconds" or "at", not both'),
        ('{"queue":"q","payload":1,"unique_key":""}', "unique key must be 1 to 255 characters"),
        ('{"queue":"q","payload":1,"unique_key":"\\u0000"}', "unique key must be 1 to 255 characters without NUL"),
        ('{"queue":"q","payload":"' + "x" * 1000 + '"}', "frame of 1,002 bytes is larger than the limit of 1,000"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line: str | bytes, reason: str) -> None:
    with pytest.raises(BadItem) as caught:
        make(line)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)

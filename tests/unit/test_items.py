"""Items: what may be enqueued, and that every codec gives back what it took."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.errors import BadItem
from snqd.items import DECODERS, ENCODERS, Item, ItemId, QueueName, SiteName, decode, encode, lines_of, new_item
from snqd.names import check_name

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_json_gives_back_what_it_took(payload: Any) -> None:
    assert decode(encode(payload), "json") == payload


@given(st.binary())
def test_raw_bytes_are_left_alone(payload: bytes) -> None:
    assert encode(payload, "raw") == payload
    assert decode(payload, "raw") == payload


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_gives_back_what_it_took(payload: str) -> None:
    assert decode(encode(payload, "text"), "text") == payload


@given(st.binary(), st.sampled_from(sorted(DECODERS)))
def test_no_frame_makes_a_decoder_fail_otherwise_than_by_saying_so(frame: bytes, codec: str) -> None:
    with contextlib.suppress(BadItem):
        decode(frame, codec)


def test_the_codecs_that_encode_are_those_that_decode_and_none_can_run_code() -> None:
    assert set(ENCODERS) == {"json", "raw", "text", "xml"}
    assert set(DECODERS) == {*ENCODERS, "php"}  # which only an import from StatusNet writes


def test_what_php_serialised_stays_the_bytes_that_it_was() -> None:
    assert decode(b'O:6:"Notice":1:{s:2:"id";i:7;}', "php") == b'O:6:"Notice":1:{s:2:"id";i:7;}'


@given(
    st.lists(
        st.tuples(st.integers(-1, 1), st.sampled_from("qr"), st.sampled_from("ab"), st.sampled_from(["json", "raw"])),
        max_size=6,
    )
)
def test_lines_are_counted_whether_they_are_all_alike_or_not(lines: list[tuple[int, str, str, str]]) -> None:
    items = [
        Item(ItemId(number), 1, SiteName(site), QueueName(queue), codec, b"", 0, 0, 0.0, 0.0, priority)
        for number, (priority, queue, site, codec) in enumerate(lines)
    ]

    assert lines_of(items) == Counter(lines)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": ""}, "queue name '' is not valid"),
        ({"queue": "q" * 64}, "queue name"),
        ({"queue": " q"}, "without spaces at the ends"),
        ({"queue": "a\nb"}, "printable"),
        ({"queue": None}, "it is a string"),
        ({"site": "x\0"}, "site name"),
        ({"codec": "pickle"}, "unknown codec 'pickle'"),
        ({"codec": "raw"}, "codec 'raw' takes bytes, not dict"),
        ({"codec": "text"}, "codec 'text' takes a string, not dict"),
        ({"payload": object()}, "cannot be encoded"),
        ({"priority": 32768}, "priority 32768 is out of range"),
        ({"delay_seconds": float("nan")}, "delay_seconds is nan"),
        ({"at": float("inf")}, "at is inf"),
        ({"at": datetime(2026, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - the mistake
        ({"unique_key": ""}, "unique key of 0 characters"),
        ({"unique_key": "k" * 256}, "unique key of 256 characters"),
        ({"frame_limit_bytes": 5}, "larger than the limit of 5"),
    ],
)
def test_a_bad_item_is_refused_in_one_line_that_names_what_is_wrong(options: dict[str, Any], words: str) -> None:
    given_options = {"queue": "mail", "payload": {"to": "x"}, **options}

    with pytest.raises(BadItem) as refused:
        new_item(**given_options)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_time_may_be_a_moment_with_a_zone_or_epoch_seconds() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)

    assert new_item("q", None, at=moment).available_at == moment.timestamp()
    assert new_item("q", None, at=12.5).available_at == 12.5


def test_a_negative_delay_means_now() -> None:
    assert new_item("q", None, delay_seconds=-3).delay_seconds == 0.0


def test_a_name_that_was_good_once_stays_good_and_a_bad_one_bad() -> None:
    for _ in range(2):
        assert check_name("queue", "mail") == "mail"
        with pytest.raises(BadItem):
            check_name("queue", "mail ")

"""What strangers may send: no bytes raise, take long, or take memory."""

from __future__ import annotations

import random
import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.wire import LIMIT, Datagram, Refused, encode_fact, open_, pack, seal, unpack
from tests.support.telemetry import HEADER, KEY, ONE_OF_EACH
from tests.wire.fuzz_wire import Victim, datagrams

SEEDS = range(4)


@given(st.binary(max_size=2000), st.sampled_from([None, KEY]))
def test_any_bytes_are_refused_without_an_error(data: bytes, key: bytes | None) -> None:
    assert isinstance(unpack(data, key), Refused)


@given(st.binary(max_size=LIMIT - 7), st.sampled_from([None, KEY]))
def test_any_body_is_read_or_refused_without_an_error(body: bytes, key: bytes | None) -> None:
    data = seal(1, body[: LIMIT - 23], key)

    assert isinstance(unpack(data, key), (Datagram, Refused))
    assert open_(data, key) == (1, body[: LIMIT - 23])


@given(st.data())
def test_a_datagram_with_some_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    packed = bytearray(pack(HEADER, [encode_fact(fact) for fact in ONE_OF_EACH], None))
    for place in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=8)):
        packed[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(packed)))

    assert isinstance(unpack(bytes(packed[:end]), None), (Datagram, Refused))


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 1370,
        b"\x81\xa0" * 680,
        b"\xdd\xff\xff\xff\xff" * 270,
        b"\xdf\xff\xff\xff\xff" * 270,
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff",
        b"\x92" + b"\x97\xa1m\xa1h\x01\x01\x01\x01\x00" + b"\xdd\xff\xff\xff\xff",
        b"\x92" + b"\x97\xa1m\xa1h\x01\x01\x01\x01\x00" + b"\xdd\x00\x00\x05\x00" + b"\x91" * 1280,
        b"\x92" + b"\x97\xa1m\xa1h\x01\x01\x01\x01\x00" + b"\x91\x97\x06\x01\x01\xa0\xa0\xa0\xdf\xff\xff\xff\xff",
        b"\x92"
        + b"\x97\xa1m\xa1h\x01\x01\x01\x01\x00"
        + b"\x91\x9d\x03\xa0\xa0"
        + b"\x01" * 9
        + b"\xdd\xff\xff\xff\xff",
    ],
    ids=lambda body: body[:16].hex(),
)
def test_a_small_datagram_that_declares_much_takes_little_memory(body: bytes) -> None:
    data = seal(1, body[: LIMIT - 23], None)
    unpack(data, None)

    tracemalloc.start()
    try:
        found = unpack(data, None)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(found, Refused)
    assert most < 256 * 1024


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fuzzer_finds_nothing(seed: int) -> None:
    victim = Victim()

    for number, data in enumerate(islice(datagrams(random.Random(seed)), 4500)):
        victim.meet(data)
        if number % 500 == 0:
            victim.look()

    victim.look()
    assert victim.seen["read"] > 400
    assert len(victim.seen) == 8

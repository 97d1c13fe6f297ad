"""Datagrams: what goes in comes out, and what cannot be read is refused for the right reason."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.facts import KINDS, AnyFact
from snqd.telemetry.histogram import BUCKETS, total
from snqd.telemetry.wire import (
    FACT_LIMIT,
    LIMIT,
    Datagram,
    Header,
    Refused,
    encode_fact,
    fill,
    key_of,
    open_,
    pack,
    seal,
    unpack,
)
from tests.support.telemetry import DEPTH, EVENT, FLOW, HEADER, KEY, ONE_OF_EACH, QUEUE, WORKER, changed

encode = msgspec.msgpack.encode
both_ways = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "authentic"])


def raw(facts: list[Any], header: Any = HEADER) -> bytes:
    """A plain datagram of things that need not be facts."""
    return seal(1, encode([header, facts]), None)


@both_ways
def test_every_kind_of_fact_comes_out_as_it_went_in(key: bytes | None) -> None:
    assert {type(fact) for fact in ONE_OF_EACH} == set(KINDS)

    data = pack(HEADER, [encode_fact(fact) for fact in ONE_OF_EACH], key)

    assert len(data) <= LIMIT
    assert unpack(data, key) == Datagram(HEADER, ONE_OF_EACH)


@pytest.mark.parametrize("count", [0, 15, 16])
def test_any_number_of_facts_that_fit_can_be_packed(count: int) -> None:
    data = pack(HEADER, [encode_fact(QUEUE)] * count, KEY)

    assert unpack(data, KEY) == Datagram(HEADER, (QUEUE,) * count)


def test_a_fact_of_a_newer_kind_does_not_cost_its_neighbours() -> None:
    found = unpack(raw([DEPTH, [200, "what", {"is": ["this"]}], QUEUE]), None)

    assert found == Datagram(HEADER, (DEPTH, QUEUE), unknown=1)


@pytest.mark.parametrize(
    "wrong",
    [
        None, 7, "text", [], [2], ["2", 1], {"kind": 4}, [3, "mail"],
        [4, "mail", "site", -1, 0, 0, 0.0, 0, False, 0.0, 0],
        [4, "mail", "site", 1, 0, 0, float("nan"), 0, False, 0.0, 0],
        [4, "mail", "site", 1, 0, 0, float("inf"), 0, False, 0.0, 0],
        [4, "mail", "site", 1.5, 0, 0, 0.0, 0, False, 0.0, 0],
        [4, b"mail", "site", 1, 0, 0, 0.0, 0, False, 0.0, 0],
        [10, "mail", 1, 1, "", 0.0, 0.0, 0.0, True],
        [6, 1, 0.0, "X", "info", "m", {"deep": [[1]]}],
        [6, 1, 0.0, "X", "info", "m", {"deep": {"er": 1}}],
        [6, 1, 0.0, "X", "info", "m", {str(number): number for number in range(65)}],
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_fact_is_passed_over_and_counted(wrong: Any) -> None:
    assert unpack(raw([DEPTH, wrong]), None) == Datagram(HEADER, (DEPTH,), unknown=1)


def test_a_histogram_longer_than_any_is_refused() -> None:
    too_long = changed(FLOW, run=(1,) * (2 * BUCKETS + 1))

    assert unpack(raw([too_long]), None) == Datagram(HEADER, (), unknown=1)


def test_facts_header_and_body_of_a_newer_sender_may_be_longer() -> None:
    longer = [*msgspec.to_builtins(DEPTH), "new", [1, {"more": 2}]]
    header = [*msgspec.to_builtins(HEADER), "new"]

    found = unpack(seal(1, encode([header, [longer, QUEUE], "new"]), None), None)

    assert found == Datagram(HEADER, (DEPTH, QUEUE))


def test_text_that_is_not_utf8_costs_only_its_fact() -> None:
    data = raw([DEPTH, changed(QUEUE, queue="mmmm")]).replace(b"mmmm", b"m\xff\xfem")

    assert unpack(data, None) == Datagram(HEADER, (DEPTH,), unknown=1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not ours"),
        (b"counter=handled&owners%5B0%5D=queue%3Adistrib", "not ours"),
        (b"snqd\x01", "truncated"),
        (b"snqd\x02\x01\x00", "version"),
        (b"snqd\x01\x01\x02", "version"),
        (b"snqd\x01\x63\x00", "kind"),
        (b"snqd\x01\x01\x00\x92", "truncated"),
        (b"snqd\x01\x01\x00\x07", "malformed"),
        (b"snqd\x01\x01\x01" + bytes(16), "no key here"),
        (raw([], header=[]), "malformed"),
        (raw([], header=["main", "host", -1, 0, 0, 0.0]), "malformed"),
        (raw([], header=["main", "host", 1, 0, 0, float("nan")]), "malformed"),
        (raw([], header=["m" * 65, "host", 1, 0, 0, 0.0]), "malformed"),
        (raw([0] * 201), "malformed"),
        (raw([]) + b"\x00", "malformed"),
        (raw([])[:7] + encode([HEADER, [], "longer than any" * 100]), "malformed"),
        (raw([])[:-1], "truncated"),
    ],
)
def test_what_cannot_be_used_is_refused_for_its_reason(data: bytes, reason: str) -> None:
    assert unpack(data, None) == Refused(reason)  # type: ignore[arg-type]


def test_with_a_key_only_what_was_made_with_it_is_read() -> None:
    data = pack(HEADER, [encode_fact(QUEUE)], KEY)

    assert isinstance(unpack(data, KEY), Datagram)
    assert unpack(data, b"another key 1234") == Refused("not authentic")
    assert unpack(pack(HEADER, [], None), KEY) == Refused("not authentic")
    assert unpack(data[:20], KEY) == Refused("truncated")
    assert unpack(data[:6] + b"\x00" + data[7:], KEY) == Refused("not authentic")


@given(st.data())
def test_no_byte_of_an_authentic_datagram_can_be_changed(data: st.DataObject) -> None:
    packed = bytearray(pack(HEADER, [encode_fact(FLOW)], KEY))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))

    assert isinstance(unpack(bytes(packed), KEY), Refused)


def test_a_passphrase_of_any_length_is_a_key() -> None:
    long = "correct horse battery staple " * 10

    assert len(key_of(long)) == 32
    assert key_of(long) != key_of(long[:-1])
    assert open_(seal(17, b"body", key_of(long)), key_of(long)) == (17, b"body")


def test_messages_of_other_kinds_share_the_envelope() -> None:
    assert open_(seal(16, b"hello", None), None) == (16, b"hello")
    assert unpack(seal(16, b"hello", None), None) == Refused("kind")
    with pytest.raises(ValueError, match="does not fit"):
        seal(16, bytes(LIMIT), None)


names = st.builds(str.__mul__, st.text(min_size=1, max_size=5), st.sampled_from([1, 13, 100, 500]))


@given(names, names, st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_header_of_any_length_leaves_room_for_the_facts(daemon: str, host: str, boot: int, session: int) -> None:
    header = Header(daemon, host, boot, boot, 2**63, 1e12, session)

    found = unpack(pack(header, [encode_fact(QUEUE)], KEY), KEY)

    assert isinstance(found, Datagram)
    assert found.facts == (QUEUE,)


@given(st.lists(st.integers(1, FACT_LIMIT), max_size=60))
def test_groups_keep_the_order_and_fit(sizes: list[int]) -> None:
    encoded = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    header = changed_header(daemon="d" * 64, host="h" * 64)

    groups = list(fill(encoded))

    assert [each for group in groups for each in group] == encoded
    assert all(len(pack(header, group, KEY)) <= LIMIT for group in groups)
    assert all(sum(map(len, [*a, b[0]])) > FACT_LIMIT for a, b in pairwise(groups))


def changed_header(**values: Any) -> Header:
    return msgspec.structs.replace(HEADER, **values)


counts = st.integers(1, 2**40)
crowded = st.lists(counts, min_size=BUCKETS, max_size=BUCKETS).map(
    lambda found: tuple(number for pair in enumerate(found) for number in pair)
)


@given(crowded, crowded)
def test_crowded_histograms_become_coarser_and_keep_their_counts(run: tuple[int, ...], wait: tuple[int, ...]) -> None:
    fact = changed(FLOW, run=run, wait=wait)

    (found,) = facts_of(encode_fact(fact))

    assert changed(found, run=(), wait=()) == changed(fact, run=(), wait=())
    assert total(found.run) == total(run)
    assert total(found.wait) == total(wait)


texts = st.builds(str.__mul__, st.text(max_size=8) | st.just("\udcff"), st.sampled_from([1, 1, 1, 40, 1000]))
plain = st.none() | st.booleans() | st.integers() | st.integers(2**63, 2**70) | st.floats() | st.binary(max_size=8)
anything: st.SearchStrategy[Any] = st.recursive(
    plain | texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
fields = st.dictionaries(texts, anything, max_size=8)


@given(texts, fields, st.integers(1, 300))
def test_an_event_with_any_fields_fits_and_can_be_read(message: str, values: dict[str, Any], more: int) -> None:
    values |= {"row": list(range(more)), "list of lists": [[1, [2]]]} | {f"field{n}": "x" * n for n in range(more)}

    (found,) = facts_of(encode_fact(changed(EVENT, message=message, fields=values)))

    assert (found.number, found.at, found.name) == (EVENT.number, EVENT.at, EVENT.name)


@given(texts, texts)
def test_long_and_broken_texts_are_cut_and_repaired(queue: str, reason: str) -> None:
    (found,) = facts_of(encode_fact(changed(WORKER, queue=queue, exit_reason=reason)))

    assert found.pid == WORKER.pid


def test_of_long_texts_the_longest_is_cut_first() -> None:
    (found,) = facts_of(encode_fact(changed(EVENT, message="m" * 100, fields={"stack": "s" * 5000, "item": 7})))

    assert found.message == "m" * 100
    assert found.fields["item"] == 7
    assert found.fields["stack"].endswith("…")


def facts_of(encoded: bytes) -> tuple[Any, ...]:
    assert len(encoded) <= FACT_LIMIT
    found = unpack(pack(HEADER, [encoded], None), None)
    assert isinstance(found, Datagram)
    assert not found.unknown
    facts: tuple[AnyFact, ...] = found.facts
    return facts

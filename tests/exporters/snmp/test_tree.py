"""The tree, and what it is made of: order, indices, kinds, BER."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.exporters.snmp import ber, kinds
from snqd.exporters.snmp.indices import name_index, names_index
from snqd.exporters.snmp.tree import Leaf, Rows, Tree, parts

SUBIDS = st.integers(0, 0xFFFFFFFF) | st.integers(0, 300)
OIDS = st.builds(lambda root, rest: (*root, *rest), st.tuples(st.integers(0, 1), st.integers(0, 39)), st.lists(SUBIDS))


@given(OIDS)
def test_object_identifiers_come_back_as_they_were(oid: ber.Oid) -> None:
    if len(oid) <= ber.OID_LIMIT:
        assert ber.read_oid(ber.oid_content(oid)) == oid


@given(st.binary(max_size=40))
def test_bytes_are_an_object_identifier_or_unusual(content: bytes) -> None:
    try:
        found = ber.read_oid(content)
    except ber.Unusual:
        return
    assert ber.oid_content(found) == content


@given(st.integers(-(2**31), 2**64 - 1))
def test_numbers_are_encoded_in_as_few_octets_as_they_need(value: int) -> None:
    raw = ber.integer(value)
    begin, end = ber.enter(raw, 0, len(raw), ber.INTEGER)
    assert end == len(raw)
    assert int.from_bytes(raw[begin:end], "big", signed=True) == value
    assert end - begin == 1 or raw[begin : begin + 1] not in (b"\0", b"\xff") or (raw[begin] ^ raw[begin + 1]) & 0x80


@pytest.mark.parametrize(
    "raw", [b"", b"\x30", b"\x30\x80", b"\x30\x84\0\0\0\1a", b"\x30\x05abc", b"\x04\x01a", b"\x30\x81", b"\x30\x82\x01"]
)
def test_elements_that_do_not_fit_are_unusual(raw: bytes) -> None:
    with pytest.raises(ber.Unusual):
        ber.enter(raw, 0, len(raw), ber.SEQUENCE)


NAMES = st.text(min_size=1, max_size=63)


@given(st.dictionaries(NAMES, st.integers(0, 2) | st.none(), max_size=12), OIDS)
def test_a_walk_meets_every_cell_once_and_in_order(rows: dict[str, int | None], start: ber.Oid) -> None:
    table: Rows[str] = Rows(name_index, lambda name: (name, rows[name]))
    table.renew(rows)
    empty: Rows[str] = Rows(name_index, lambda name: name)
    leaves = [
        Leaf((1, 3, 5, 1), kinds.TEXT, lambda row: row[0], table),
        Leaf((1, 3, 5, 2), kinds.GAUGE, lambda row: row[1], table),
        Leaf((1, 3, 6), kinds.TEXT, lambda row: row, empty),
        Leaf((1, 3, 7), kinds.TEXT, lambda row: row[0], table),
    ]
    tree = Tree(reversed(leaves))
    there = sorted(
        [(*prefix, *name_index(name)) for name in rows for prefix in ((1, 3, 5, 1), (1, 3, 7))]
        + [(1, 3, 5, 2, *name_index(name)) for name, value in rows.items() if value is not None]
    )

    walked = []
    position: Any = tree.next(start)
    while (found := tree.from_position(*position)) is not None:
        walked.append(ber.read_oid(parts(found[0])[0]))
        position = found[1:]

    assert walked == [oid for oid in there if oid > start]
    for oid in there:
        cell = tree.get(oid)
        assert not isinstance(cell, int)
        assert ber.read_oid(parts(cell)[0]) == oid


def test_what_is_not_there_says_why() -> None:
    rows: Rows[str] = Rows(name_index, lambda name: None if name == "gone" else name)
    rows.renew(["here"])
    tree = Tree([Leaf((1, 3, 5, 1), kinds.TEXT, lambda row: row, rows)])
    assert tree.get((1, 3, 5, 1, *name_index("there"))) == ber.NO_SUCH_INSTANCE
    assert tree.get((1, 3, 5, 1)) == ber.NO_SUCH_INSTANCE
    assert tree.get((1, 3, 5, 2, 0)) == ber.NO_SUCH_OBJECT
    assert tree.get((1, 3)) == ber.NO_SUCH_OBJECT
    assert tree.get((2, 999)) == ber.NO_SUCH_OBJECT


def test_an_index_is_made_of_the_name_alone() -> None:
    assert name_index("mail") == (4, 109, 97, 105, 108)
    assert names_index(("a", "b")) == (1, 97, 1, 98)


@given(NAMES, NAMES)
def test_different_names_have_different_indices(one: str, other: str) -> None:
    assert (name_index(one) == name_index(other)) == (one == other)


@pytest.mark.parametrize(
    ("kind", "figure", "told"),
    [
        (kinds.GAUGE, 2**40, 0xFFFFFFFF),
        (kinds.GAUGE, -1, 0),
        (kinds.GAUGE, math.nan, 0),
        (kinds.MILLISECONDS, math.inf, 0xFFFFFFFF),
        (kinds.MILLISECONDS, 0.0125, 12),
        (kinds.MICROSECONDS, 0.0125, 12500),
        (kinds.KIBIBYTES, 2048, 2),
        (kinds.THOUSANDTHS, -3.0, 0),
        (kinds.COUNTER64, 2**64 + 5, 5),
        (kinds.COUNTER32, 2**32 + 5, 5),
        (kinds.COUNTER64, -5, 0),
        (kinds.AGE, 1e12, 0xFFFFFFFF),
        (kinds.UPTIME, 2**32 / 100 + 1, 100),
        (kinds.SIGNED, -1, -1),
        (kinds.TRUTH, "paused", 1),
        (kinds.TRUTH, "", 2),
    ],
)
def test_no_figure_is_too_large_for_its_kind(kind: kinds.Kind, figure: float, told: int) -> None:
    assert kind.of(figure) == told
    assert kind.encoded(figure)[0] == kind.tag


def test_a_text_is_cut_between_two_characters() -> None:
    assert kinds.text("é" * 200) == ("é" * 127).encode()
    assert kinds.text("\ud800") == b"?"

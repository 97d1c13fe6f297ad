"""Estimates of lines that are too long to be counted, made from a bounded number of looks."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.stores.estimate import EDGE_ROWS, LOOKS, Row, View, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.stores.estimate import Look, Survey

COUNTED = 500


class Lines:
    """Lines in memory, and how often they were looked into."""

    def __init__(self, *lines: Sequence[Row], has_ids: bool = True) -> None:
        self.looks = 0
        self._has_ids = has_ids
        self._lines = [sorted(line, key=lambda row: row[:2] if has_ids else row.at) for line in lines]

    def look(self, looks: Sequence[Look]) -> list[View]:
        self.looks += len(looks)
        views = []
        for number, place in looks:
            line = self._lines[number]
            if self._has_ids:
                middle = bisect_left(line, place[:2], key=lambda row: row[:2])
            else:
                middle = bisect_left(line, place.at + 1e-6 * (place.id > 0), key=lambda row: row.at)
            views.append(View(line[max(0, middle - EDGE_ROWS) : middle], line[middle : middle + EDGE_ROWS]))
        return views

    def survey(self, counted: int = COUNTED, looks: int = LOOKS) -> list[Survey]:
        ends = [line[max(0, counted - EDGE_ROWS) : counted] for line in self._lines]
        return survey(ends, self.look, has_ids=self._has_ids, looks=looks)


def total(rows: Sequence[Row], *, has_ids: bool = True) -> float:
    """What a survey of one line makes of it, the counted rows with it."""
    (found,) = Lines(rows, has_ids=has_ids).survey()
    return COUNTED + found.rows


def steady(count: int, *, begin: float = 0.0, first_id: int = 1, step: int = 1, seconds: float = 0.01) -> list[Row]:
    return [Row(begin + number * seconds, first_id + number * step, "q", "s") for number in range(count)]


def burst(count: int, *, at: float, first_id: int, step: int = 1) -> list[Row]:
    return [Row(at, first_id + number * step, "q", "s") for number in range(count)]


def shuffled_ids(count: int) -> list[Row]:
    """Items that were retried: in order of a time that has nothing to do with when they came."""
    chance = random.Random(3)
    return [Row(chance.uniform(0.0, 1000.0), item, "q", "s") for item in range(count)]


def of_several_enqueuers(count: int) -> list[Row]:
    """Neighbours have changed places: transactions begin in one order and take their ids in another."""
    chance = random.Random(4)
    return [Row(number * 0.01 + chance.uniform(0.0, 0.2), number, "q", "s") for number in range(count)]


def of_a_mix(count: int) -> list[Row]:
    """One of eleven items, by chance, among another queue's."""
    chance = random.Random(5)
    return [row for row in steady(count * 11) if chance.random() < 1 / 11]


@pytest.mark.parametrize(
    "rows",
    [
        steady(40_000),
        steady(40_000, step=11),
        burst(40_000, at=1000.0, first_id=17, step=3),
        steady(20_000) + burst(30_000, at=200.1, first_id=30_000) + steady(20_000, begin=200.2, first_id=60_001),
        burst(3_000, at=1.0, first_id=1) + burst(50_000, at=2.0, first_id=10**6, step=2),
        steady(2_000) + steady(2_000, begin=1e6, first_id=10**9),  # a stuck old backlog, and a new one
        shuffled_ids(30_000),
        of_several_enqueuers(30_000),
        of_a_mix(4_000),
        [row for row in steady(60_000) if row.id % 20_000 > 12_000],  # holes
        [*steady(30_000), Row(float("inf"), 10**6, "q", "s")],
    ],
    ids=[
        "steady", "every 11th", "burst", "burst amid", "two bursts", "old and new", "retried", "enqueuers", "mix",
        "holes", "never due",
    ],
)  # fmt: skip
def test_an_estimate_is_within_a_third_of_the_truth(rows: list[Row]) -> None:
    assert len(rows) / 1.34 < total(rows) < len(rows) * 1.34


@pytest.mark.parametrize(
    "rows",
    [
        steady(40_000),
        burst(40_000, at=1000.0, first_id=17, step=3),
        steady(5_000) + burst(30_000, at=57.0, first_id=10_000, step=2) + steady(5_000, begin=300.0, first_id=90_000),
        shuffled_ids(30_000),
    ],
    ids=["steady", "burst", "burst amid", "retried"],
)
def test_a_line_whose_index_has_no_ids_is_estimated_too(rows: list[Row]) -> None:
    assert len(rows) / 1.5 < total(rows, has_ids=False) < len(rows) * 1.5


def test_the_end_of_a_burst_is_found_with_one_look() -> None:
    sparse = steady(2_000, begin=2_001.0, first_id=1_000_000, step=50, seconds=1.0)
    rows = [*burst(50_000, at=2_000.5, first_id=100_000), *sparse]

    (found,) = Lines(rows).survey(looks=1)

    assert len(rows) / 1.05 < COUNTED + found.rows < len(rows) * 1.05


@pytest.mark.parametrize("more", [0, 1, EDGE_ROWS - 1])
def test_a_line_that_ends_just_after_what_was_counted_is_known_exactly(more: int) -> None:
    (found,) = Lines(steady(COUNTED + more)).survey()

    assert len(found.seen) == more
    assert found.gaps == []


def test_estimates_share_out_by_site_and_queue_as_the_looks_saw_them() -> None:
    rows = [Row(number * 0.01, number, "q" if number % 4 else "other", f"s{number % 3}") for number in range(36_000)]

    (found,) = Lines(rows).survey()

    shares = Counter((row.queue, row.site) for row in found.seen) + Counter(
        {key: round(share) for key, share in found.estimate().items()}
    )
    assert set(shares) == {(queue, f"s{site}") for queue in ("q", "other") for site in range(3)}
    assert all(0.8 * 9000 < shares["q", f"s{site}"] < 1.2 * 9000 for site in range(3))
    assert all(0.6 * 3000 < shares["other", f"s{site}"] < 1.4 * 3000 for site in range(3))


def test_looks_are_bounded_and_go_where_most_rows_seem_to_be() -> None:
    lines = Lines(steady(1_000), steady(100_000, step=7), steady(600))

    small, large, least = lines.survey()

    assert lines.looks <= 3 + LOOKS
    assert 0.9 * 99_500 < large.rows < 1.1 * 99_500
    assert 450 < small.rows < 550
    assert 90 < least.rows < 110


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 1.5, 9.0]), st.integers(1, 500)), min_size=1, max_size=120),
    st.booleans(),
)
def test_any_line_is_surveyed_without_counting_a_row_twice(places: list[tuple[float, int]], has_ids: bool) -> None:
    rows = [Row(at + number % 3 / 8, item * 1000 + number, "q", "s") for number, (at, item) in enumerate(places)]
    lines = Lines(rows, has_ids=has_ids)

    (found,) = lines.survey(counted=1)

    ids = [row.id for row in found.seen]
    assert len(set(ids)) == len(ids) <= len(rows) - has_ids
    assert lines.looks <= 1 + LOOKS
    assert all(rows >= 0.0 for rows in found.estimate().values())

"""Histograms of durations: bounds, merging, percentiles."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.histogram import (
    BOUNDS,
    BUCKETS,
    bucket_of,
    merged,
    quantile,
    quantiles,
    since,
    tally,
    to_sparse,
    total,
)

durations = st.lists(st.floats(min_value=0.0, max_value=1e6), max_size=200)
sparse = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 10**12), max_size=20).map(
    lambda found: tuple(number for bucket in sorted(found) for number in (bucket, found[bucket]))
)


@given(durations)
def test_a_tally_counts_each_duration_in_its_bucket(values: list[float]) -> None:
    counts = [0] * BUCKETS
    for value in values:
        counts[bucket_of(value)] += 1

    assert tuple(number for pair in tally(values) for number in pair) == to_sparse(counts)


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (1e-6, 0), (1.1e-6, 1), (1e9, BUCKETS - 1)])
def test_bounds_belong_to_the_bucket_below_and_nothing_falls_outside(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@given(sparse, sparse, sparse)
def test_merging_is_addition_in_any_order(a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...]) -> None:
    assert merged([a, b, c]) == merged([c, merged([b, a])])
    assert total(merged([a, b, c])) == total(a) + total(b) + total(c)


@given(sparse, sparse)
def test_what_came_since_is_what_was_added(before: tuple[int, ...], more: tuple[int, ...]) -> None:
    assert since(merged([before, more]), before) == more


def test_buckets_of_another_version_are_left_out_of_a_sum() -> None:
    assert merged([(-1, 5, 3, 1, BUCKETS, 7)]) == (3, 1)


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_within_a_bucket_of_the_truth(share: float) -> None:
    dice = random.Random(7)
    values = [dice.lognormvariate(-5.0, 2.0) for _ in range(20_000)]
    truth = statistics.quantiles(values, n=100)[round(share * 100) - 1]

    found = quantile(tuple(number for pair in tally(values) for number in pair), share)

    assert found == pytest.approx(truth, rel=2**0.25 - 1)


def test_nothing_has_no_percentile_and_the_ends_have_one() -> None:
    assert quantile((), 0.5) is None
    assert quantile((0, 4), 0.5) == BOUNDS[0] / 2
    assert quantile((BUCKETS - 1, 4), 0.5) == BOUNDS[-1]


@given(
    st.lists(
        st.tuples(st.integers(0, BUCKETS - 1), st.integers(1, 1000)),
        min_size=1,
        max_size=40,
        unique_by=lambda pair: pair[0],
    ),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_many_quantiles_at_once_are_those_one_by_one(pairs: list[tuple[int, int]], shares: list[float]) -> None:
    histogram = tuple(number for pair in sorted(pairs) for number in pair)
    together = quantiles(histogram, sorted(shares))
    assert together == [quantile(histogram, share) for share in sorted(shares)]
    assert together == sorted(together)

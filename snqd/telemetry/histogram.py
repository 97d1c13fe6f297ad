"""Histograms of durations that can be merged and sent: four buckets to each doubling, from a microsecond to 18 hours.

A bucket's bounds differ by 19 %, so a percentile is off by at most that, and by a few per cent in the usual case, since
it is interpolated. Merging is addition, over workers, sites, queues and hosts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PER_DOUBLING = 4
DOUBLINGS = 36
BOUNDS: tuple[float, ...] = tuple(1e-6 * 2 ** (step / PER_DOUBLING) for step in range(PER_DOUBLING * DOUBLINGS + 1))
"""Seconds. Bucket 0 holds up to the first bound, bucket n from bound n - 1 (excluded) to bound n, the last the rest."""
BOUNDS_NS = tuple(bound * 1e9 for bound in BOUNDS)
BUCKETS = len(BOUNDS) + 1

Sparse = tuple[int, ...]
"""bucket, count, bucket, count …, buckets ascending, counts above 0."""


def bucket_of(seconds: float) -> int:
    return bisect_left(BOUNDS, seconds)


def tally(durations: Iterable[float], bounds: tuple[float, ...] = BOUNDS) -> list[tuple[int, int]]:
    """How many durations fall into which bucket. By sorting: a fraction of the cost of one by one.

    `bounds`: `BOUNDS` for seconds, `BOUNDS_NS` for nanoseconds.
    """
    values = sorted(durations)
    found: list[tuple[int, int]] = []
    at, end = 0, len(values)
    while at < end:
        bucket = bisect_left(bounds, values[at])
        past = bisect_right(values, bounds[bucket], at, end) if bucket < len(bounds) else end
        found.append((bucket, past - at))
        at = past
    return found


def to_sparse(counts: Sequence[int]) -> Sparse:
    """From one count per bucket."""
    return tuple(number for bucket, count in enumerate(counts) if count for number in (bucket, count))


def merged(histograms: Iterable[Sparse]) -> Sparse:
    """The sum of histograms. Buckets that do not exist are left out: they may come from another version."""
    counts: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in zip(histogram[::2], histogram[1::2], strict=False):
            if 0 <= bucket < BUCKETS and count > 0:
                counts[bucket] = counts.get(bucket, 0) + count
    return tuple(chain.from_iterable(sorted(counts.items())))


def since(now: Sparse, before: Sparse) -> Sparse:
    """What came to a histogram since an earlier state of it; never below 0."""
    old = dict(zip(before[::2], before[1::2], strict=False))
    pairs = [(bucket, count - old.get(bucket, 0)) for bucket, count in zip(now[::2], now[1::2], strict=False)]
    return tuple(chain.from_iterable(pair for pair in pairs if pair[1] > 0))


def total(histogram: Sparse) -> int:
    return sum(histogram[1::2])


def quantile(histogram: Sparse, share: float) -> float | None:
    """The duration (seconds) below which `share` (0 to 1) of the counts lie; None of an empty histogram."""
    found = quantiles(histogram, (share,))
    return found[0] if found else None


def quantiles(histogram: Sparse, shares: Iterable[float]) -> list[float]:
    """The quantiles of several shares, which rise, in one pass over the buckets; [] of an empty histogram."""
    number = total(histogram)
    if number <= 0:
        return []
    buckets = zip(histogram[::2], histogram[1::2], strict=False)
    bucket, count = next(buckets)
    below, found = 0, []
    for share in shares:
        rank = share * number
        while below + count < rank and (following := next(buckets, None)) is not None:
            below += count
            bucket, count = following
        found.append(_within(bucket, min(1.0, max(0.0, (rank - below) / count)) if count else 1.0))
    return found


def _within(bucket: int, share: float) -> float:
    """A place inside a bucket, by interpolation on the logarithmic scale that its bounds have."""
    if bucket <= 0:
        return BOUNDS[0] * share
    if bucket >= len(BOUNDS):
        return BOUNDS[-1]
    low, high = BOUNDS[bucket - 1], BOUNDS[bucket]
    return float(low * (high / low) ** share)

"""Back-off: grows, is bounded, and is spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.retry import Backoff


def test_each_failure_waits_twice_as_long_up_to_the_limit() -> None:
    backoff = Backoff(first_seconds=5, factor=2, limit_seconds=60, jitter=0.0)

    assert [backoff.delay(n, 0.5) for n in range(1, 7)] == [5, 10, 20, 40, 60, 60]


def test_jitter_spreads_a_delay_by_its_fraction_either_way() -> None:
    backoff = Backoff(first_seconds=100, jitter=0.2)

    assert backoff.delay(1, 0.0) == 80
    assert backoff.delay(1, 0.5) == 100
    assert 119 < backoff.delay(1, 0.999) < 120


@given(
    failures=st.integers(-5, 10**9),
    dice=st.floats(0, 1, exclude_max=True),
    factor=st.floats(1, 1e6),
    limit=st.floats(0, 1e9),
)
def test_a_delay_is_never_negative_nor_past_the_jittered_limit(
    failures: int, dice: float, factor: float, limit: float
) -> None:
    delay = Backoff(first_seconds=1, factor=factor, limit_seconds=limit, jitter=0.2).delay(failures, dice)

    assert 0 <= delay <= limit * 1.2

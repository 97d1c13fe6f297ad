"""Noticing that one handler keeps the main thread while others wait behind it."""

from __future__ import annotations

import time

import pytest

from snqd.items import QueueName
from snqd.worker.lanes import Mode, WorkLane
from snqd.worker.pace import Pace
from snqd.worker.patience import PATIENCE_SECONDS, Patience


@pytest.fixture
def lane() -> WorkLane:
    return WorkLane((QueueName("q"),), Mode.INLINE, Pace(concurrency=1, prefetch_seconds=0.02, batch_limit=10), 1)


def test_patience_ends_when_nothing_was_finished_for_long(lane: WorkLane) -> None:
    now = time.monotonic()
    patience = Patience([lane])

    assert not patience.is_over(now + PATIENCE_SECONDS / 2, is_resting=False)
    assert patience.is_over(now + PATIENCE_SECONDS * 2, is_resting=False)


def test_every_item_that_ends_renews_it(lane: WorkLane) -> None:
    now = time.monotonic()
    patience = Patience([lane])
    for step in range(1, 10):
        lane.finished += 1
        assert not patience.is_over(now + step * PATIENCE_SECONDS, is_resting=False)
    assert patience.is_over(now + 11 * PATIENCE_SECONDS, is_resting=False)


def test_a_main_thread_that_rests_keeps_nobody_waiting(lane: WorkLane) -> None:
    patience = Patience([lane])

    assert not patience.is_over(time.monotonic() + 100, is_resting=True)

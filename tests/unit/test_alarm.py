"""The alarm that stops a plain handler on the main thread, with the real timer and signal."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.handlers.outcomes import Interrupted, TimeLimitExceeded
from snqd.worker.alarm import Alarm
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    before = signal.getsignal(signal.SIGALRM)
    made = Alarm()
    made.install()
    yield made
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def run(alarm: Alarm, limit: float, seconds: float) -> float:
    """A handler that sleeps; how long it took."""
    began = time.monotonic()
    alarm.arm(limit)
    try:
        time.sleep(seconds)
    finally:
        alarm.disarm()
    return time.monotonic() - began


def stopped_after(alarm: Alarm, limit: float, seconds: float = 5.0) -> float:
    """How long it took, but for what others did; not before the limit."""
    watch = Stopwatch()
    with pytest.raises(TimeLimitExceeded):
        run(alarm, limit, seconds)
    assert time.monotonic() - watch.began >= limit
    return watch.seconds


def test_a_handler_past_its_limit_is_stopped(alarm: Alarm) -> None:
    assert stopped_after(alarm, 0.05) < 0.5


def test_an_endless_loop_is_stopped_too(alarm: Alarm) -> None:
    def loop() -> None:
        alarm.arm(0.05)
        try:
            while True:
                pass
        finally:
            alarm.disarm()

    with pytest.raises(TimeLimitExceeded):
        loop()


def test_a_pending_timer_of_an_earlier_item_stops_nobody_else(alarm: Alarm) -> None:
    run(alarm, 0.05, 0.0)

    assert run(alarm, 10.0, 0.15) >= 0.15
    assert run(alarm, 0.0, 0.1) >= 0.1, "nor one without a limit"
    time.sleep(0.1)  # nor our own code between two items


def test_each_limit_is_kept_right_after_another_ones_end(alarm: Alarm) -> None:
    assert max(stopped_after(alarm, 0.03) for _ in range(4)) < 0.4
    run(alarm, 10.0, 0.0)
    assert stopped_after(alarm, 0.03) < 0.4, "and after a longer one"


def test_a_handler_that_swallows_it_is_told_again(alarm: Alarm) -> None:
    told = 0

    def stubborn() -> None:
        nonlocal told
        alarm.arm(0.05)
        try:
            with contextlib.suppress(TimeLimitExceeded):
                time.sleep(5)
            told += 1
            time.sleep(5)
        finally:
            alarm.disarm()

    with pytest.raises(TimeLimitExceeded):
        stubborn()
    assert told == 1


def test_at_the_end_of_the_grace_period_the_running_handler_is_interrupted_and_those_that_begin_later_too(
    alarm: Alarm,
) -> None:
    def interrupted(limit: float) -> float:
        watch = Stopwatch()
        with pytest.raises(Interrupted):
            run(alarm, limit, 5.0)
        return watch.seconds

    end = time.monotonic() + 0.1
    alarm.stop_at(end)

    assert interrupted(10.0) < 0.5
    assert time.monotonic() >= end
    assert interrupted(0.0) < 1.5

"""Which items are unusually slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.hub.slow import LEAST_SECONDS, SlowItems
from snqd.telemetry.board import Running
from snqd.telemetry.histogram import bucket_of
from tests.support.telemetry import FLOW, changed

if TYPE_CHECKING:
    from snqd.telemetry.facts import FlowFact

SECOND = 10**9
START = 1000 * SECOND


def flows(run_seconds: float, count: int) -> dict[tuple[str, str], FlowFact]:
    return {("mail", "a"): changed(FLOW, run=(bucket_of(run_seconds), count))}


def running(item: int = 7, *, limit_seconds: float = 0.0) -> Running:
    return Running(item, "mail", "a", START, START + int(limit_seconds * SECOND) if limit_seconds else 0, 1)


def reasons(slow: SlowItems, entry: Running, after_seconds: float, usual: dict[tuple[str, str], FlowFact]) -> list[str]:
    return [each.reason for each in slow.look([(1, [entry])], usual, START + int(after_seconds * SECOND))]


def test_three_times_the_99th_percentile_is_slow_and_told_once() -> None:
    slow, usual = SlowItems(), flows(1.0, 100)

    assert reasons(slow, running(), 2.4, usual) == []
    (told,) = reasons(slow, running(), 3.2, usual)
    assert "99 %" in told
    assert reasons(slow, running(), 9.0, usual) == []


def test_half_of_the_time_limit_is_slow_however_long_others_take() -> None:
    (told,) = reasons(SlowItems(), running(limit_seconds=10), 5.1, flows(60.0, 100))

    assert told == "half of its time limit of 10 s is over"


def test_too_few_runs_tell_nothing() -> None:
    assert reasons(SlowItems(), running(), 500.0, flows(0.001, 19)) == []
    assert reasons(SlowItems(), running(), 500.0, {}) == []


def test_what_runs_for_less_than_a_second_is_never_slow() -> None:
    assert reasons(SlowItems(), running(), LEAST_SECONDS * 0.99, flows(0.001, 100)) == []
    assert reasons(SlowItems(), running(limit_seconds=0.5), 0.4, {}) == []


def test_another_handling_of_the_same_item_is_told_again() -> None:
    slow, usual = SlowItems(), flows(0.1, 100)
    reasons(slow, running(), 5.0, usual)
    again = running()._replace(started_ns=START + 10 * SECOND)

    assert len(slow.look([(1, [again])], usual, START + 15 * SECOND)) == 1

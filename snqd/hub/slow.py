"""Items that run unusually long: whose stack is worth a look, once per handling."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.histogram import merged, quantile, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snqd.telemetry.board import Running
    from snqd.telemetry.facts import FlowFact

TIMES_USUAL = 3.0
SHARE_OF_LIMIT = 0.5
LEAST_SECONDS = 1.0
"""What runs shorter than this is never slow: its stack would be over before it is taken."""
_ENOUGH_RUNS = 20
_USUAL_SECONDS = 10.0  # for this long a queue's percentile is not reckoned anew
_MOST_REMEMBERED = 4096


class Slow(NamedTuple):
    """An item that has just become slow."""

    slot: int
    running: Running
    seconds: float
    usual_seconds: float
    """p99 of its queue; 0 = too few have run."""
    reason: str


class SlowItems:
    """Remembers which handlings it has told."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, int, int], None] = {}
        self._usual: dict[str, tuple[float, float]] = {}

    def look(
        self, slots: Iterable[tuple[int, list[Running]]], flows: Mapping[tuple[str, str], FlowFact], now_ns: int
    ) -> list[Slow]:
        """Those that have passed a limit since the last look. `now_ns`: CLOCK_MONOTONIC."""
        found = []
        for slot, entries in slots:
            for running in entries:
                seconds = (now_ns - running.started_ns) / 1e9
                key = (slot, running.item, running.started_ns)
                if seconds < LEAST_SECONDS or key in self._told:
                    continue
                usual = self._usual_seconds(running.queue, flows, now_ns / 1e9)
                reason = _reason(running, seconds, usual)
                if reason:
                    self._remember(key)
                    found.append(Slow(slot, running, seconds, usual, reason))
        return found

    def _remember(self, key: tuple[int, int, int]) -> None:
        self._told[key] = None
        if len(self._told) > _MOST_REMEMBERED:
            del self._told[next(iter(self._told))]

    def _usual_seconds(self, queue: str, flows: Mapping[tuple[str, str], FlowFact], now: float) -> float:
        at, usual = self._usual.get(queue, (float("-inf"), 0.0))
        if now - at >= _USUAL_SECONDS:
            runs = merged(fact.run for (name, _site), fact in flows.items() if name == queue)
            usual = (quantile(runs, 0.99) or 0.0) if total(runs) >= _ENOUGH_RUNS else 0.0
            self._usual[queue] = (now, usual)
        return usual


def _reason(running: Running, seconds: float, usual: float) -> str:
    limit = (running.deadline_ns - running.started_ns) / 1e9 if running.deadline_ns else 0.0
    if limit and seconds >= limit * SHARE_OF_LIMIT:
        return f"half of its time limit of {round(limit, 2):g} s is over"
    if usual and seconds >= usual * TIMES_USUAL:
        return f"99 % of the items of its queue take less than {usual:.2g} s"
    return ""

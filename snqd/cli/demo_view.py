"""What `snqd demo` writes where it has no screen: a line for each moment, and a line for each event. Pure."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from snqd.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.demo.story import Told
    from snqd.telemetry.facts import DepthFact, WorkerFact

Key = tuple[str, str]
"""Queue and site."""

_RATE_SECONDS = 3.0


class DemoLook(NamedTuple):
    """What was seen at one moment."""

    running_seconds: float
    facts: Mapping[Key, DepthFact]
    done: Mapping[Key, int]
    """Since the start."""
    rates: Mapping[Key, float]
    """Handled per second."""
    workers: tuple[WorkerFact, ...]
    events: tuple[Told, ...]
    """In order of time."""


class Rates:
    """Handled items per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[Key, int]]] = deque()

    def add(self, at: float, done: Mapping[Key, int]) -> dict[Key, float]:
        """Take the counts at `at` (monotonic seconds), give the rates."""
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        seconds = at - began
        return {key: (count - before.get(key, 0)) / seconds if seconds else 0.0 for key, count in done.items()}


def summary_line(look: DemoLook) -> str:
    """How everything stands."""
    ready, scheduled, claimed, dead = _totals(look)
    respawns = sum(worker.respawns for worker in look.workers)
    return (
        f"{_clock(look.running_seconds)} done {sum(look.done.values()):,} ({sum(look.rates.values()):.1f}/s), "
        f"ready {ready:,}, scheduled {scheduled:,}, in flight {claimed:,}, dead {dead:,}; "
        f"{len(look.workers)} workers, {respawns} respawns"
    )


def event_text(told: Told) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(told.at))} {told.kind.value}: {printable(told.words)}"


def _totals(look: DemoLook) -> tuple[int, int, int, int]:
    facts = look.facts.values()
    return (
        sum(each.ready for each in facts),
        sum(each.scheduled for each in facts),
        sum(each.in_flight for each in facts),
        sum(each.dead for each in facts),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02}:{rest:02}"

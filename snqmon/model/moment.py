"""`Moment`: one daemon as it is when the monitor looks, and all that its rows need to know of it."""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import MemoryFact
    from snqmon.model.history import DaemonHistory
    from snqmon.model.thresholds import Thresholds


class Moment:
    def __init__(self, history: DaemonHistory, thresholds: Thresholds, now: float, signs: str) -> None:
        """`now`: by the clock that the fleet is folded with; `signs`: the alphabet of sparklines."""
        view = history.view
        self.view: DaemonView = view
        self.history = history
        self.thresholds = thresholds
        self.key = view.key
        """`name@host`."""
        self.now = now
        self.signs = signs
        self.at = view.last_seen
        """When its newest datagram came: rates end here."""
        self.silence_seconds = max(0.0, now - view.last_seen)
        self.there = view.sent_at + self.silence_seconds
        """The time by the daemon's clock, which goes on while nothing is heard: ages are counted to it."""
        daemon = view.daemon
        self.is_measured = daemon is None or not daemon.dialect
        """Whether depths, lags, times and memory are told at all: the pings of a legacy daemon know nothing of them."""

    @cached_property
    def memory(self) -> Mapping[str, Sequence[MemoryFact]]:
        """Of each worker of which it is told, by queue: the one whose handler grew most first."""
        found: dict[str, list[MemoryFact]] = {}
        for fact in sorted(self.view.memory.values(), key=lambda fact: -fact.grown_bytes):
            found.setdefault(fact.worker, []).append(fact)
        return found

    @cached_property
    def limit_in_seconds(self) -> Mapping[str, float]:
        """When workers reach their soft limits if they go on like this; only of those for which that is in sight."""
        found: dict[str, float] = {}
        for fact in self.view.memory.values():
            if fact.limit_in_seconds >= 0:
                found[fact.worker] = min(fact.limit_in_seconds, found.get(fact.worker, inf))
        return found

    def age(self, at: float) -> float | None:
        """How long ago a moment of the daemon's clock was; None = there was none."""
        return max(0.0, self.there - at) if at else None

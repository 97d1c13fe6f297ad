"""When alarms are raised: the thresholds, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """What one queue has in place of the common thresholds; None = nothing, 0 = that alarm is off."""

    lag_seconds: float | None = None
    failure_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRules:
    """The settings `[alarms]`, field by field (`snqd/config/schema.py` says what they mean); 0 turns an alarm off.

    That a slot is fatal has no threshold, and is always told.
    """

    lag_seconds: float = 300.0
    failure_ratio: float = 0.5
    respawns_per_minute: float = 6.0
    stalled_seconds: float = 30.0
    no_handler_seconds: float = 60.0
    dead_letters_per_minute: float = 1.0
    store_seconds: float = 5.0
    memory_seconds: float = 600.0
    canary_seconds: float = 60.0
    connection_seconds: float = 60.0
    schedule_seconds: float = 300.0
    clear_share: float = 0.8
    hold_seconds: float = 10.0
    queues: Mapping[str, QueueRules] = field(default_factory=dict)

    def lag_of(self, queue: str) -> float:
        own = self.queues.get(queue)
        return self.lag_seconds if own is None or own.lag_seconds is None else own.lag_seconds

    def failure_ratio_of(self, queue: str) -> float:
        own = self.queues.get(queue)
        return self.failure_ratio if own is None or own.failure_ratio is None else own.failure_ratio

"""How many notifications there may be: in any minute, and of one kind in any minute.

What is held back is counted by its kind. The next notification of the kind tells how many those were, and so does a
summary, for kinds of which there is no next.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snqd.exporters.snmp.notify.occasions import Kind

MINUTE: Final = 60.0
SHARE: Final = 0.25
"""Of all that may be sent, this much may be of one kind: a crash loop leaves room for what else is wrong."""
SUMMARY_SECONDS: Final = 60.0
"""After the first that was held back."""


class Limit:
    """Times are seconds of a clock that does not go back."""

    def __init__(self, per_minute: int) -> None:
        self._all: deque[float] = deque(maxlen=per_minute)
        self._of_a_kind = max(1, ceil(per_minute * SHARE))
        self._kinds: dict[Kind, deque[float]] = {}
        self._held: dict[Kind, int] = {}
        self._untold: dict[Kind, int] = {}
        self.summary_at = inf
        """When it is due."""

    def may(self, kind: Kind, now: float) -> bool:
        """Whether there is room for one now."""
        return _has_room(self._all, now) and _has_room(self._times(kind), now)

    def note(self, kind: Kind, now: float) -> int:
        """One goes out. How many of its kind were held back since the last."""
        self._all.append(now)
        self._times(kind).append(now)
        return self._held.pop(kind, 0)

    def hold(self, kind: Kind, now: float) -> None:
        """One does not."""
        self._held[kind] = self._held.get(kind, 0) + 1
        self._untold[kind] = self._untold.get(kind, 0) + 1
        if self.summary_at == inf:
            self.summary_at = now + SUMMARY_SECONDS

    def summary(self, now: float) -> dict[Kind, int]:
        """How many were held back since the last summary; nothing while it is not due, or there is no room for it."""
        if now < self.summary_at or not _has_room(self._all, now):
            return {}
        untold, self._untold = self._untold, {}
        self.summary_at = inf
        return untold

    def _times(self, kind: Kind) -> deque[float]:
        return self._kinds.setdefault(kind, deque(maxlen=self._of_a_kind))


def _has_room(times: deque[float], now: float) -> bool:
    return len(times) < (times.maxlen or 0) or now - times[0] >= MINUTE

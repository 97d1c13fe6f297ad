"""How durations were lately: histograms only grow, so what is recent is the difference to one of a minute ago."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.histogram import Sparse

STEP_SECONDS: Final = 10.0
STEPS: Final = 6
"""A window is between a minute and a minute and a step long."""

Histograms = dict[str, "Sparse"]
_NOTHING: Final[Histograms] = {}


class Windows:
    """Remembers the histograms of every queue, each `STEP_SECONDS`."""

    def __init__(self) -> None:
        self._marks: deque[dict[str, Histograms]] = deque(maxlen=STEPS + 1)
        self._marked_at = float("-inf")

    def note(self, view: DaemonView, now: float) -> None:
        """Call now and then. `now`: seconds of a clock that does not go back."""
        if now - self._marked_at >= STEP_SECONDS:
            self._marked_at = now
            totals = view.queue_totals()
            self._marks.append({queue: {"run": each.run(), "wait": each.wait()} for queue, each in totals.items()})

    def before(self, queue: str) -> Histograms:
        """The queue's histograms of a minute ago, or of the first look. A queue that is new since began with none."""
        return self._marks[0].get(queue, _NOTHING) if self._marks else _NOTHING

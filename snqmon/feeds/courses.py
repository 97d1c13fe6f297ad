"""`Leap`: when courses are drawn while time passes faster than screens do: as closely as they will show it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PAST_SECONDS: Final = 900.0
"""The longest course: nothing before that is worth a look."""
CLOSE: Final = ((60.0, 1.0), (300.0, 5.0), (PAST_SECONDS, 15.0))
"""So long before the end of the leap, one look in so many seconds: one for each step that a course has."""
ROUGH: Final = ((60.0, 2.0), (300.0, 10.0), (PAST_SECONDS, 30.0))
"""Half as many, where nothing is missed between two looks."""


class Leap:
    """A way from one moment to `target`, seconds of one clock."""

    def __init__(self, target: float, *, steps: Sequence[tuple[float, float]] = CLOSE, is_play: bool = False) -> None:
        """`is_play`: the time passes on a screen, only faster, and each second of it counts alike."""
        self._target, self._steps = target, steps
        self._is_play = is_play
        self._looked_at = -inf

    def is_due(self, now: float, following: float) -> bool:
        """Whether to look at `now`, before time goes on to `following`. Not at the target: a screen looks there."""
        step = 1.0 if self._is_play else next((step for past, step in self._steps if self._target - now <= past), None)
        if step is None:
            return False
        if self._looked_at == -inf:
            self._looked_at = now
            return not self._is_play
        if int(following / step) <= int(self._looked_at / step):
            return False
        self._looked_at = following
        return True

"""Which numbers of a sequence have come: what is new, late or a repetition, and what is missing."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

WIDTH: Final = 1024
"""Numbers below the highest that are remembered one by one."""
_ALL: Final = (1 << WIDTH) - 1


class Place(Enum):
    """Where a number stands among those that came before it."""

    NEWEST = auto()
    LATE = auto()
    """Lower than the highest, and the first time that it comes."""
    REPEATED = auto()
    OUT_OF_SIGHT = auto()
    """So much lower that nobody remembers whether it has come."""


class Window:
    """The numbers of one sequence. Takes no more memory however they jump."""

    __slots__ = ("_seen", "distinct", "first", "highest")

    def __init__(self) -> None:
        self.first = 0
        self.highest = -1
        self.distinct = 0
        """How many different numbers came, without those out of sight."""
        self._seen = 0  # bit n: highest - n has come

    def take(self, number: int) -> Place:
        """Note that `number` (≥ 0) came."""
        ahead = number - self.highest
        if self.distinct == 0:
            self.first, self._seen = number, 1
        elif ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & _ALL if ahead < WIDTH else 1
        elif ahead <= -WIDTH:
            return Place.OUT_OF_SIGHT
        else:
            bit = 1 << -ahead
            if self._seen & bit:
                return Place.REPEATED
            self._seen |= bit
            self.distinct += 1
            self.first = min(self.first, number)
            return Place.LATE
        self.highest = number
        self.distinct += 1
        return Place.NEWEST

    @property
    def missing(self) -> int:
        """Numbers between the lowest and the highest that have not come, or not yet."""
        return self.highest - self.first + 1 - self.distinct if self.distinct else 0

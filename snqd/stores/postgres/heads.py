"""Where a probe begins to look, so that it does not walk over the dead.

PostgreSQL leaves an index entry behind for every item that was claimed, until a vacuum, and they lie where a look for
the first item begins (see `floors.py`). So a probe remembers how far each line of ready items has come, its *floor*,
and when many rows are dead, it looks from there on. What lies below a floor (an item given back, one whose transaction
took longer than `SETTLE_SECONDS` to commit) is found by a look at everything. That is made again and again, as often as
it may cost a 200th of the time: each second while it takes less than 5 ms, and once a minute at least. With few dead
rows every look is at everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.stores.estimate import Place
from snqd.stores.postgres import floors

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_LOOK_SHARE = 200
FULL_LOOK_SECONDS = 60.0
SETTLE_SECONDS = 2.0
"""An item that was stored within this time is found whatever its neighbours are."""
FORGET_SECONDS = 600.0
"""How long a line without items is remembered: its dead entries may lie there until then."""
BEGIN = float("-inf")


class LineName(NamedTuple):
    """In the order of the index."""

    queue: str
    priority: int


class Head(NamedTuple):
    """The first ready item of a line."""

    line: LineName
    place: Place


class Crowd:
    """Whether many rows of the table are dead, as the server counts them."""

    def __init__(self) -> None:
        self.is_large = False

    def saw(self, dead_rows: int) -> None:
        self.is_large = dead_rows >= floors.MANY_DEAD_ROWS


class FullLooks:
    """Decides when a look is to be at everything. Monotonic seconds."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._due = BEGIN

    def is_due(self, now: float) -> bool:
        return not self._crowd.is_large or now >= self._due

    def made(self, began: float, ended: float) -> None:
        self._due = ended + min((ended - began) * FULL_LOOK_SHARE, FULL_LOOK_SECONDS)

    def failed(self, now: float) -> None:
        """It takes too long."""
        self._due = now + FULL_LOOK_SECONDS


class Heads:
    """The floors of all lines of ready items."""

    def __init__(self, crowd: Crowd) -> None:
        self.looks = FullLooks(crowd)
        self.floors: dict[LineName, Place] = {}
        self._seen: dict[LineName, float] = {}

    def saw(self, heads: Sequence[Head], wall: float) -> None:
        """Note what a look found. `wall`: when, in epoch seconds by the store's clock."""
        settled = Place(wall - SETTLE_SECONDS, 0)
        for head in heads:
            self._seen[head.line] = wall
        self._seen = {line: at for line, at in self._seen.items() if at > wall - FORGET_SECONDS}
        found = {head.line: head.place for head in heads}
        self.floors = {line: min(found.get(line, settled), settled) for line in self._seen}


class Floor:
    """The floor of one line that has nothing but times: scheduled items, claims."""

    def __init__(self, crowd: Crowd) -> None:
        self.looks = FullLooks(crowd)
        self._at = BEGIN

    def begin(self, now: float) -> float:
        """Where to begin a look at `now` (monotonic), in epoch seconds."""
        return BEGIN if self.looks.is_due(now) else self._at

    def saw(self, oldest: float | None, settled: float) -> None:
        """Note the oldest that was found; nothing new comes before `settled`."""
        self._at = settled if oldest is None else min(oldest, settled)

"""`Minute`: by how much some counters rose within the last minute. A few notes of them, whatever there is of them."""

from __future__ import annotations

from collections import deque
from math import nan
from typing import Final

SECONDS: Final = 60.0
Counts = tuple[float, ...]


class Minute:
    """Counters, noted together. A new `life` (the daemon's boot, the pid of a process) begins anew."""

    __slots__ = ("_found", "_life", "_notes")

    def __init__(self) -> None:
        self._notes: deque[tuple[float, Counts]] = deque()
        self._life: object = None
        self._found: tuple[float, tuple[float, Counts] | None] = (nan, None)

    def note(self, at: float, counts: Counts, life: object = None) -> None:
        """`at`: seconds by a clock that does not go back. To be called every few seconds: that is how exact it is.

        While nothing rises two notes are kept: since when, and until when.
        """
        notes = self._notes
        self._found = (nan, None)
        if life != self._life:
            notes.clear()
            self._life = life
        if len(notes) >= 2 and notes[-1][1] == counts == notes[-2][1]:
            notes[-1] = (at, counts)
        else:
            notes.append((at, counts))
        while len(notes) > 2 and notes[1][0] <= at - SECONDS:
            notes.popleft()

    def rates(self, at: float, counts: Counts) -> Counts | None:
        """By how much each counter rose per second until now, when they stand at `counts`; None = not known yet."""
        found = self.since(at)
        if found is None:
            return None
        seconds, before = found
        return tuple(max(0.0, now - then) / seconds for now, then in zip(counts, before, strict=True))

    def since(self, at: float) -> tuple[float, Counts] | None:
        """How many seconds ago the counters stood where: a minute ago, or at the first note; None = not known yet."""
        if self._found[0] != at:
            self._found = (at, self._since(at))
        return self._found[1]

    def _since(self, at: float) -> tuple[float, Counts] | None:
        notes = self._notes
        if not notes or at - notes[0][0] < 1.0:
            return None
        horizon = at - SECONDS
        begin, counts = notes[0]
        for when, each in notes:
            if when > horizon:
                if each == counts:  # nothing rose in between, so they stood there a minute ago too
                    begin = max(begin, horizon)
                break
            begin, counts = when, each
        return at - begin, counts

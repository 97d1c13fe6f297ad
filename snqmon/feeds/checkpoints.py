"""`Checkpoints`: what was folded at some moments of a recording, so that going back does not begin at its begin."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from snqd.telemetry.fleet import Fleet
    from snqd.telemetry.tape import Place

MOST: Final = 16
_FIRST_SPACING: Final = 2 * 1024 * 1024
_LARGEST_FLEET: Final = 5_000
"""Facts. To copy more takes longer than a screen may stand still."""


class Folded(NamedTuple):
    """All that folding a recording up to a moment has made."""

    at: float
    """The moment: epoch seconds, as the fold counts them."""
    place: Place
    """Where the next record is."""
    fleet: Fleet
    refused: int
    """Datagrams that could not be used."""
    taken: int
    """Datagrams, those with them."""


class Checkpoints:
    """Bounded: when there are too many, every second one is left out and the next ones come at twice the distance."""

    def __init__(self) -> None:
        self._kept: list[Folded] = []  # in the order of their moments
        self._spacing = _FIRST_SPACING
        self._since = 0

    def passed(self, size: int) -> bool:
        """Count the bytes that were folded; whether `keep` would like to be given what they made."""
        self._since += size
        return self._since >= self._spacing

    def keep(self, folded: Folded) -> None:
        """Keep a copy, if it is not too large and later than those that are here."""
        self._since = 0
        if folded.fleet.facts > _LARGEST_FLEET or (self._kept and folded.place <= self._kept[-1].place):
            return
        self._kept.append(folded._replace(fleet=copy.deepcopy(folded.fleet)))
        if len(self._kept) > MOST:
            del self._kept[::2]
            self._spacing *= 2

    def before(self, at: float, since: Place) -> Folded | None:
        """A copy of the latest at or before the moment `at`, with the records after it still there (`since`)."""
        found = [kept for kept in self._kept if kept.at <= at and kept.place >= since]
        return found[-1]._replace(fleet=copy.deepcopy(found[-1].fleet)) if found else None

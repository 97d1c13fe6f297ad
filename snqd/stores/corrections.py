"""Corrections: what people do to many items at once, by filter, in steps that are small transactions.

Each step changes some, counts them in the store in the same transaction, and says where the next one goes on. Whoever
carries a correction out may stop between any two steps, wait as long as a rate wants it, or be killed: nothing is half
done, and what was done is written down. The same correction, begun again, goes on where it ended: what was changed does
not match any more.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from snqd.stores.records import ItemFilter

STEP_ITEMS = 1000
"""Items of a step when nobody says how many."""
KEPT_SECONDS = 400 * 86400.0
"""How long it is written down who corrected what: a year, and some weeks to look back at it."""


class Kind(StrEnum):
    """What is done."""

    RETRY = "retry"
    """Scheduled items are made ready."""
    DISCARD = "discard"
    """Items that no worker holds are deleted."""
    REPLAY = "replay"
    """Dead letters go back into their queues: ready, attempts and crash attempts 0, history kept."""
    DISCARD_DEAD = "discard_dead"
    """Dead letters are deleted."""


OF_DEAD = frozenset((Kind.REPLAY, Kind.DISCARD_DEAD))


class Place(NamedTuple):
    """How far a walk has come: dead letters go by their death (epoch seconds), waiting items by id (`at` is 0)."""

    at: float
    id: int


class Correction(NamedTuple):
    """One that was begun. `number` is what it is written down as; 0: it is not, the program itself does it."""

    kind: Kind
    wanted: ItemFilter
    number: int = 0


class Step(NamedTuple):
    """What one transaction did. `place` is where the next one goes on; None: that was the last."""

    changed: int
    stayed: int
    """Had to stay as they are: dead letters whose unique key is taken."""
    place: Place | None


class Corrected(NamedTuple):
    """A correction as it is written down. Times in epoch seconds of the store."""

    number: int
    kind: str
    author: str
    wanted: str
    """The filter, as an object in JSON."""
    began: float
    ended: float | None
    """None: it goes on, or its process was killed; what it had done by then is counted."""
    changed: int
    stayed: int
    outcome: str
    """done, stopped, or the error that ended it."""


class Correcting(Protocol):
    """What a store does to carry corrections out."""

    def clock(self) -> float:
        """The store's time, in epoch seconds."""

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:
        """Write down that it begins. `wanted.limit` is the affair of who carries it out."""

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:
        """Change at most `most` items that follow `after`, and count them. Dead letters go oldest death first."""

    def end(self, correction: Correction, outcome: str) -> None:
        """Write down how it ended."""


class Corrections:
    """A base of stores: corrections from their begin to their end, as fast as they go."""

    def retry_now(self: Correcting, wanted: ItemFilter, *, author: str = "") -> int:
        return _carry_out(self, Kind.RETRY, wanted, author)

    def discard(self: Correcting, wanted: ItemFilter, *, author: str = "") -> int:
        return _carry_out(self, Kind.DISCARD, wanted, author)

    def replay(self: Correcting, wanted: ItemFilter, *, author: str = "") -> int:
        return _carry_out(self, Kind.REPLAY, wanted, author)

    def discard_dead(self: Correcting, wanted: ItemFilter, *, author: str = "") -> int:
        return _carry_out(self, Kind.DISCARD_DEAD, wanted, author)


def _carry_out(store: Correcting, kind: Kind, wanted: ItemFilter, author: str) -> int:
    """How many were changed. With an `author` it is written down, and what comes up from now on is not meant."""
    correction = Correction(kind, wanted)
    if author:
        bounded = replace(wanted, until=store.clock() if wanted.until is None else wanted.until)
        correction = store.begin(kind, bounded, author=author)
    changed, left, place = 0, wanted.limit, None
    while left is None or left > 0:
        step = store.step(correction, place, STEP_ITEMS if left is None else min(STEP_ITEMS, left))
        changed += step.changed
        left = None if left is None else left - step.changed - step.stayed
        place = step.place
        if place is None:
            break
    if author:
        store.end(correction, "done")
    return changed


def filter_text(wanted: ItemFilter) -> str:
    """The filter as it is written down: what was given, as JSON."""
    import msgspec

    given = {name: getattr(wanted, name) for name in type(wanted).__dataclass_fields__}
    return msgspec.json.encode({name: value for name, value in given.items() if value not in (None, ())}).decode()

"""What people ask of a broker: its dead letters. What waits it does not show, and who changed what it cannot keep."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from snqd.errors import StoreError, StoreUnavailable
from snqd.items import CANARY
from snqd.stores.corrections import OF_DEAD, Correction, Corrections, Kind, Step
from snqd.stores.letters import groups, matches, place_of
from snqd.stores.stomp import dead
from snqd.stores.stomp.envelope import to_headers
from snqd.stores.stomp.session import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from snqd.stores.corrections import Corrected, Place
    from snqd.stores.records import DeadGroup, ItemFilter, ItemRecord, QueueFacts
    from snqd.stores.stomp.destinations import Routes
    from snqd.stores.stomp.envelope import Envelope
    from snqd.stores.stomp.line import Line
    from snqd.stores.stomp.location import Address
    from snqd.stores.stomp.loop import LoopThread

_UNSEEN = (
    "a STOMP broker does not show the items that wait in it: ask the broker itself how many there are "
    "(rabbitmqctl list_queues, activemq-admin), and snqd telemetry how long they have waited"
)


class People(Corrections):
    """A base of the store."""

    _addresses: tuple[Address, ...]
    _routes: Routes
    _loop: LoopThread | None
    _line: Line | None

    def clock(self) -> float:
        """Ours: a broker does not tell its own."""
        return time.time()

    def counts(self) -> list[QueueFacts]:
        raise StoreError(_UNSEEN)

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:  # noqa: ARG002
        raise StoreError(_UNSEEN)

    def find_dead(self, wanted: ItemFilter) -> Iterator[ItemRecord]:
        return iter(sorted(self._letters(wanted), key=place_of)[: wanted.limit])

    def dead_page(self, wanted: ItemFilter, *, after: Place | None = None, frames: bool = False) -> list[ItemRecord]:
        found = [
            letter
            for letter in self._letters(wanted, frames=frames)
            if letter.codec != CANARY and (after is None or place_of(letter) < after)
        ]
        return sorted(found, key=place_of, reverse=True)[: wanted.limit]

    def dead_groups(self, wanted: ItemFilter) -> list[DeadGroup]:
        return groups(self._letters(wanted, frames=False), wanted.limit)

    def name_some(self, most: int) -> int:  # noqa: ARG002  (they are named as they are read)
        return 0

    # corrections

    def count(self, kind: Kind, wanted: ItemFilter) -> int:
        _check(kind)
        return len(self._letters(wanted, frames=False)[: wanted.limit])

    def begin(self, kind: Kind, wanted: ItemFilter, *, author: str) -> Correction:  # noqa: ARG002
        """It is told as an event, and not written down."""
        _check(kind)
        return Correction(kind, wanted)

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:  # noqa: ARG002  (see below)
        """A look through all dead letters, which changes the first `most` that are meant.

        `after` is not needed: what an earlier step changed is not there any more.
        """
        kind, wanted, _number = correction
        _check(kind)
        places: list[Place] = []
        now = time.time()

        def decide(envelope: Envelope) -> Sending | bool:
            if len(places) >= most or not _is_meant(letter := envelope.record("dead"), wanted):
                return False
            places.append(place_of(letter))
            if kind is Kind.DISCARD_DEAD:
                return True
            again = envelope.revived(now)
            return Sending(self._routes.of(again.queue, again.site), to_headers(again), again.frame)

        changed = self._look(decide)
        return Step(changed, 0, places[-1] if places and changed >= most else None)

    def end(self, correction: Correction, outcome: str) -> None:
        pass

    def corrections(self, kinds: Collection[Kind], limit: int) -> list[Corrected]:  # noqa: ARG002
        raise StoreError("a STOMP broker keeps no list of corrections: look for the event Corrected in the log")

    # inside

    def _letters(self, wanted: ItemFilter, *, frames: bool = True) -> list[ItemRecord]:
        """Those that are meant, in the broker's order, without regard to the limit."""
        found: list[ItemRecord] = []

        def decide(envelope: Envelope) -> bool:
            record = envelope.record("dead")
            if _is_meant(record, wanted):
                found.append(record if frames else replace(record, frame=b""))
            return False

        self._look(decide)
        return found

    def _look(self, decide: Callable[[Envelope], Sending | bool]) -> int:
        """Through all dead letters, on a connection of its own."""
        loop, _line = self._connected()
        return loop.do(dead.look(self._addresses, self._routes.dead, decide))

    def _connected(self) -> tuple[LoopThread, Line]:
        if self._loop is None or self._line is None:
            raise StoreUnavailable("the STOMP store is not connected")
        return self._loop, self._line


def _is_meant(letter: ItemRecord, wanted: ItemFilter) -> bool:
    return matches(letter, wanted, state="dead", at=letter.died or 0.0)


def _check(kind: Kind) -> None:
    if kind not in OF_DEAD:
        raise StoreError(_UNSEEN)

"""Canaries: no-op items that go the whole way through a queue, as proof that it is worked.

One canary of a queue is on its way at a time. It has returned when a worker of this daemon says that its ack was
committed; or, when several hosts serve the queue, as soon as it is no longer in the store.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snqd.items import ItemId
from snqd.telemetry.facts import CanaryFact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.hub.prober import Prober
    from snqd.stores.probe import Probe
    from snqd.telemetry.ledger import CanaryReturn


@dataclass(slots=True)
class _Bird:
    """The canary of one queue. `number` is that of the one on its way, 0 = none is. Times in epoch seconds."""

    every_seconds: float
    due_at: float
    number: int = 0
    item: int = 0
    sent: int = 0
    returned: int = 0
    last_sent: float = 0.0
    last_returned: float = 0.0
    last_seconds: float = -1.0
    asked_at: float = 0.0


class Canaries:
    """`turn` it about once a second. `send` stores a canary; it and the questions run in the prober's thread."""

    def __init__(
        self, every_seconds: Mapping[str, float], prober: Prober, send: Callable[[str, int], int | None]
    ) -> None:
        now = time.time()
        self._birds = {queue: _Bird(seconds, now + 1.0) for queue, seconds in every_seconds.items() if seconds > 0}
        self._prober = prober
        self._send = send

    def turn(self, now: float, returns: Mapping[str, CanaryReturn]) -> list[CanaryFact]:
        """Take note of what has come back, and send what is due."""
        for queue, bird in self._birds.items():
            back = returns.get(queue)
            if bird.number and back is not None and back.number >= bird.number:
                self._came_back(bird, back.at)
            if bird.number:
                self._ask_where(bird, now)
            elif now >= bird.due_at:
                self._release(queue, bird, now)
        return [_fact(queue, bird) for queue, bird in self._birds.items()]

    def _release(self, queue: str, bird: _Bird, now: float) -> None:
        number = int(now * 1000)  # rises over all hubs of the daemon
        bird.number, bird.item, bird.last_sent, bird.due_at = number, 0, now, now + bird.every_seconds
        bird.sent += 1

        def errand(_probe: Probe) -> None:
            began = time.time()
            item = self._send(queue, number)
            if item is None:
                return  # an earlier one is still waiting, of the hub before us: it will do as well
            bird.item, bird.last_sent = item, began

        self._prober.submit(errand)

    def _ask_where(self, bird: _Bird, now: float) -> None:
        """It should be back: perhaps another host's worker had it."""
        if not bird.item or now - max(bird.last_sent, bird.asked_at) < bird.every_seconds:
            return
        number, item = bird.number, bird.item
        bird.asked_at = now

        def errand(probe: Probe) -> None:
            if not probe.has_item(ItemId(item)) and bird.number == number:
                self._came_back(bird, time.time(), is_timed=False)

        self._prober.submit(errand)

    def _came_back(self, bird: _Bird, at: float, *, is_timed: bool = True) -> None:
        bird.number = bird.item = 0
        bird.returned += 1
        bird.last_returned = at
        bird.last_seconds = round(max(0.0, at - bird.last_sent), 6) if is_timed else -1.0


def _fact(queue: str, bird: _Bird) -> CanaryFact:
    return CanaryFact(
        queue=queue,
        sent=bird.sent,
        returned=bird.returned,
        last_sent=round(bird.last_sent, 3),
        last_returned=round(bird.last_returned, 3),
        last_seconds=bird.last_seconds,
    )

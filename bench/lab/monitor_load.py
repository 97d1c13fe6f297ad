"""What the monitor is loaded with in its benchmarks: a daemon with 60 sites by 20 queues and 200 workers.

It tells what changed four times a second, and everything once a second, as a hub does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.views import daemon_fact, event

if TYPE_CHECKING:
    from snqd.telemetry.facts import AnyFact
    from tests.support.crowds import Crowd

LOAD: Final = {"sites": 60, "queues": 20, "workers": 200}
FRAMES: Final = 4
"""In a second."""
BUSY: Final = 0.25
"""Of the pairs of queue and site, in each frame."""
SIZE: Final = (120, 40)
"""Of the terminal."""


class Told:
    """In each frame what has changed, and a part of the rest, so that everything is told within a second."""

    def __init__(self, crowd: Crowd, frames: int) -> None:
        self._crowd, self._frames = crowd, frames
        self._known: dict[object, AnyFact] = {}
        self.number = -1

    def frame(self) -> list[AnyFact]:
        """The daemon's own fact first; now and then with an event or two."""
        self.number += 1
        facts = list(self._crowd.facts(busy=BUSY))
        told: list[AnyFact] = [daemon_fact(facts)]
        for place, fact in enumerate(facts):
            key = (type(fact), fact.key)
            if self._known.get(key) != fact or place % self._frames == self.number % self._frames:
                told.append(fact)
            self._known[key] = fact
        worker = f"main.{self.number % LOAD['workers'] + 1}"
        told.append(event("ItemFailed", self.number + 1, worker=worker, queue="queue00", error=f"no {self.number}"))
        return told

"""What happens in the scene, again and again: ten minutes in which most things that an operator meets come once.

Pure: from the second of the cycle to what is different then. Second 205, at which a scene begins, has a lag that is
being built, its alarm, and a crash a short while ago.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CYCLE_SECONDS: Final = 600
OPENING: Final = 205
"""The second of the cycle at virtual time 0."""


class Span(NamedTuple):
    begin: int
    end: int

    def has(self, second: int) -> bool:
        return self.begin <= second < self.end


FLOOD: Final = Span(120, 216)
"""One site sends far more than one worker can take: lag builds, its alarm is raised, and it drains until 320."""
FLOODED_QUEUE, FLOODING_SITE, FLOOD_FACTOR = "xmppout", "news.example", 27.0

OUTAGE: Final = Span(250, 330)
"""The other end of a queue of one site does not answer: failures, retries, dead letters, an alarm."""
FAILING_QUEUE, FAILING_SITE, OUTAGE_FAILING = "webhook", "forum.example", 0.9

PAUSE: Final = Span(360, 450)
"""Somebody pauses a queue."""
PAUSED_QUEUE, PAUSED_WORDS = "search", "by anna: the search index is being rebuilt"

CRASH: Final = 170
"""A worker dies of a signal in the middle of an item."""
CRASH_WORKER, CRASH_QUEUE, CRASH_SITE = "main.2", "webhook", "forum.example"
BACK_SECONDS: Final = 2
"""Until its replacement is ready."""

GROWING_WORKER, GROWING_QUEUE = "main.7", "thumbnail"
GROWN_BYTES_PER_SECOND: Final = 150_000
"""So it reaches its soft limit every second cycle or so, and is replaced."""

SLOW: Final = 470
"""An item has run far longer than others, and its stack is shown; it runs as long again."""
SLOW_WORKER, SLOW_QUEUE, SLOW_SITE, SLOW_SECONDS = "main.6", "transcode", "photos.example", 25.0


def second_of(tick: int) -> int:
    """The second of the cycle at a virtual second; those before the opening are negative."""
    return (tick + OPENING) % CYCLE_SECONDS


def arriving(queue: str, site: str, second: int) -> float:
    """By how much more than usual comes in."""
    is_flooded = FLOOD.has(second) and queue == FLOODED_QUEUE and site == FLOODING_SITE
    return FLOOD_FACTOR if is_flooded else 1.0


def failing(queue: str, site: str, second: int, usual: float) -> float:
    """The share of handlings that fail."""
    is_out = OUTAGE.has(second) and queue == FAILING_QUEUE and site == FAILING_SITE
    return OUTAGE_FAILING if is_out else usual


def paused(queue: str, second: int) -> str:
    """Why the queue is paused; empty = it is not."""
    return PAUSED_WORDS if PAUSE.has(second) and queue == PAUSED_QUEUE else ""

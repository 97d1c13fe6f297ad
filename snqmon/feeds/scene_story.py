"""What happens in the scene, again and again: ten minutes in which most things that an operator meets come once.

Pure: from the second of the cycle to what is different then. Second 205, at which a scene begins, has a lag that is
being built, its alarm, and a crash a short while ago.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from snqd.telemetry.facts import PauseFact

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


class Pause(NamedTuple):
    """Somebody pauses a queue or a site, and resumes it. An empty name means all."""

    queue: str
    site: str
    author: str
    reason: str
    span: Span


PAUSES: Final = (
    Pause("search", "", "anna", "the search index is being rebuilt", Span(360, 450)),
    Pause("", "tiny.example", "ben", "its owner moves", Span(480, 530)),
)
PAUSE_SECONDS: Final = 600.0
"""After so long it would end by itself."""
TOLD_SECONDS: Final = 60
"""So long after its end a pause is told of."""

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


def is_paused(queue: str, site: str, second: int) -> bool:
    """Whether items of this queue and site are not handed out."""
    return any(pause.span.has(second) and pause.queue in ("", queue) and pause.site in ("", site) for pause in PAUSES)


def pause_facts(second: int, at: float) -> list[PauseFact]:
    """Those that hold, and those that ended within the last minute. `at`: the second's epoch time."""
    told = []
    for queue, site, author, reason, span in PAUSES:
        if Span(span.begin, span.end + TOLD_SECONDS).has(second):
            since, ended = at - (second - span.begin), 0.0 if span.has(second) else at - (second - span.end)
            by = "" if span.has(second) else author
            told.append(PauseFact(queue, site, author, reason, since, since + PAUSE_SECONDS, ended, by))
    return told

"""When a feed is asked again. Pure."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_SECONDS = 24 * 3600
JITTER = 0.1


class Answer(NamedTuple):
    """How a feed's server answered. `status` is HTTP's, 0 when there was no answer at all."""

    status: int
    error: str = ""
    retry_after: float | None = None
    """Seconds that the server asks for."""

    @property
    def is_good(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        """410: it is not coming back (RFC 9110, section 15.5.11), so nobody asks again."""
        return self.status == 410


def wait_seconds(answer: Answer, *, failures: int, interval: float, chance: float) -> float:
    """How long to wait after `answer`, when `failures` in a row end with it (0: it was good).

    Twice as long after each failure, a day at most, never less than the server asks for, and up to a tenth more or less
    by `chance` (0 to 1), so that feeds that were added together are not asked together.
    """
    wait = min(interval * 2.0 ** min(failures, 16), LONGEST_SECONDS)
    jittered = wait * (1 - JITTER + 2 * JITTER * chance)
    asked = min(answer.retry_after or 0.0, LONGEST_SECONDS)
    return max(jittered, asked)

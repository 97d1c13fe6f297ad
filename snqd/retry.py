"""When a failed item is tried again: exponential back-off with jitter, as a pure decision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before attempt n+1 after n failures: `first_seconds * factor**(n-1)`, at most `limit_seconds`.

    `jitter` spreads the delay by up to that fraction either way, so that items that failed together
    do not come back together.
    """

    first_seconds: float = 5.0
    factor: float = 2.0
    limit_seconds: float = 3600.0
    jitter: float = 0.2

    def delay(self, failures: int, dice: float) -> float:
        """Seconds to wait after `failures` (at least 1) failures; `dice` is uniform in [0, 1)."""
        try:
            plain = min(self.first_seconds * self.factor ** (max(failures, 1) - 1), self.limit_seconds)
        except OverflowError:  # more seconds than a float can say
            plain = self.limit_seconds
        return plain * (1.0 + self.jitter * (2.0 * dice - 1.0))

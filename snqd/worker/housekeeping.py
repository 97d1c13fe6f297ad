"""Housekeeping: dead letters that have been kept for long enough are deleted, a few at a time.

It belongs to the care of the store, so it is where the watch is. Several hosts may do it at once: each letter is
deleted by one of them. Without `store.dead_letter_days` nothing is ever deleted.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from snqd.telemetry.events import DeadLettersExpired

if TYPE_CHECKING:
    from snqd.stores.repairs import Expired
    from snqd.worker.parts import Parts

BATCH = 500
"""Letters of one transaction: some ten milliseconds between two exchanges of the worker."""
_REST_SHARE = 4
"""After a batch, so many times its length without one: at most a fifth of the time goes into it."""
_REST_SECONDS = 0.05
_LOOK_SECONDS = 600.0
"""Between two looks when nothing is left."""
_TELL_SECONDS = 10.0
_DAY = 86400.0
_NEVER = float("inf")


class Housekeeping:
    """Used by the store's thread only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._days = parts.config.store.dead_letter_days
        self._is_wanted = self._days > 0 and parts.errand is None
        self._gone: dict[str, Expired] = {}
        self._tell_at = _NEVER
        self.next_at = _NEVER
        """When something is to be done, by the monotonic clock."""

    def begin(self) -> None:
        """This worker has the watch from now on, or the store again."""
        self.next_at = 0.0 if self._is_wanted else _NEVER

    def end(self) -> None:
        """Somebody else may have the watch, or the worker leaves."""
        self.next_at = _NEVER
        self._tell()

    def do(self) -> None:
        """Delete one batch of what is old."""
        began = time.monotonic()
        expired = self._parts.store.expire_dead(self._days * _DAY, limit=BATCH)
        now = time.monotonic()
        for each in expired:
            before = self._gone.get(each.queue)
            self._gone[each.queue] = each if before is None else before.with_more(each)
        if sum(each.letters for each in expired) >= BATCH:
            self._tell_at = min(self._tell_at, now + _TELL_SECONDS)
            self.next_at = now + max(_REST_SECONDS, _REST_SHARE * (now - began))
        else:
            self._tell_at = now
            self.next_at = now + _LOOK_SECONDS * random.uniform(0.75, 1.25)
        if now >= self._tell_at:
            self._tell()

    def _tell(self) -> None:
        """What is deleted is told: it cannot be looked up any more."""
        gone, self._gone, self._tell_at = self._gone, {}, _NEVER
        for queue, each in sorted(gone.items()):
            self._parts.emit(
                DeadLettersExpired(
                    worker=self._parts.worker, queue=queue, count=each.letters, oldest=each.oldest, days=self._days
                )
            )

"""Pauses, as facts, and as events when they begin, change and end: whoever did it, on whatever host.

The store is asked what is paused, and remembers for a day what was. A new hub does not tell again what was so before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from snqd.telemetry.events import Paused, Resumed
from snqd.telemetry.facts import PauseFact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from snqd.stores.pauses import Pause
    from snqd.telemetry.events import Event

Facts = dict[tuple[str, str], PauseFact]
TOLD_SECONDS = 60.0
"""How long the end of a pause is told."""


class PauseBook:
    """Fed with each new answer of the prober."""

    def __init__(self, daemon: str, emit: Callable[[Event], None], *, begun: float) -> None:
        """`begun`: when the hub did, in epoch seconds."""
        self._daemon = daemon
        self._emit = emit
        self._begun = begun
        self._known: Facts | None = None

    def take(self, pauses: Iterable[Pause], now: float) -> list[PauseFact]:
        """All that hold or ended lately. `now`: epoch seconds by the store's clock, as far as it is known."""
        told = (_fact(each, now) for each in pauses)
        found = {fact.key: fact for fact in told if not fact.ended or fact.ended > now - TOLD_SECONDS}
        before = self._known if self._known is not None else self._when_begun(found)
        for event in self._changes(before, found, now):
            self._emit(event)
        self._known = found
        return [found[key] for key in sorted(found)]

    def _when_begun(self, found: Facts) -> Facts:
        """As it was when this hub began."""
        return {
            key: msgspec.structs.replace(fact, ended=0.0) if fact.ended >= self._begun else fact
            for key, fact in found.items()
            if fact.since < self._begun
        }

    def _changes(self, before: Facts, found: Facts, now: float) -> Iterator[Event]:
        for key, fact in found.items():
            old = before.get(key)
            is_new = old is None or old.since != fact.since
            if old is not None and is_new and not old.ended:  # it ended and another began between two looks
                yield self._resumed(old, fact.since)
            if fact != old and (is_new or not fact.ended):
                yield self._paused(fact)
            if fact.ended and (old is None or is_new or not old.ended):
                yield self._resumed(fact, fact.ended)
        for key, old in before.items():
            if key not in found and not old.ended:  # somebody has deleted its row
                yield self._resumed(old, now)

    def _paused(self, fact: PauseFact) -> Paused:
        return Paused(
            daemon=self._daemon,
            queue=fact.queue,
            site=fact.site,
            author=fact.author,
            reason=fact.reason,
            until=fact.expires,
        )

    def _resumed(self, fact: PauseFact, at: float) -> Resumed:
        return Resumed(
            daemon=self._daemon,
            queue=fact.queue,
            site=fact.site,
            author=fact.ended_by,
            paused_seconds=round(max(0.0, at - fact.since), 3),
        )


def _fact(pause: Pause, now: float) -> PauseFact:
    ended = pause.ended_at or 0.0
    if not ended and pause.expires_at is not None and pause.expires_at <= now:
        ended = pause.expires_at
    return PauseFact(
        queue=pause.queue or "",
        site=pause.site or "",
        author=pause.author,
        reason=pause.reason,
        since=round(pause.since, 3),
        expires=round(pause.expires_at or 0.0, 3),
        ended=round(ended, 3),
        ended_by=pause.ended_by,
    )

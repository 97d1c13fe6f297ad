"""The connections of services, as their workers tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.telemetry.facts import ConnectionFact

GONE_SECONDS = 15.0
"""A worker tells of each connection every five seconds; one that it does not tell of any more is gone."""


class ConnectionBook:
    """The latest fact of each connection, and when it came."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Any, ...], tuple[ConnectionFact, float]] = {}

    def take(self, facts: Iterable[ConnectionFact], now: float) -> list[ConnectionFact]:
        """Take facts in; those that say something new."""
        news = []
        for fact in facts:
            known = self._facts.get(fact.key)
            if known is None or known[0] != fact:
                news.append(fact)
            self._facts[fact.key] = (fact, now)
        return news

    def facts(self, now: float) -> list[ConnectionFact]:
        """Those that hold."""
        for key in [key for key, (_fact, at) in self._facts.items() if now - at > GONE_SECONDS]:
            del self._facts[key]
        return [fact for fact, _at in self._facts.values()]

"""Pauses as a person reads them: which of them covers an item, and each in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.telemetry.words import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.telemetry.facts import PauseFact


def target_words(queue: str, site: str) -> str:
    """`queue mail`, `site a.example` or `queue mail of site a.example`. Empty means all."""
    if queue and site:
        return f"queue {queue} of site {site}"
    return f"queue {queue}" if queue else f"site {site}"


def pause_words(*, author: str, reason: str, since: float, expires: float) -> str:
    """`by ada since 2026-11-26 08:09 UTC, until 10:09 UTC: the relay is down`. Times in epoch seconds, 0 = none."""
    said = f"by {author or 'somebody'} since {_moment(since)} UTC"
    if expires:
        day = _moment(expires) if _moment(expires)[:10] != _moment(since)[:10] else _moment(expires)[11:]
        said += f", until {day} UTC"
    return f"{said}: {reason}" if reason else said


def words_of(fact: PauseFact) -> str:
    return pause_words(author=fact.author, reason=fact.reason, since=fact.since, expires=fact.expires)


def resume_command(queue: str, site: str) -> str:
    """What ends that pause."""
    narrowed = [*(["--queue", queue] if queue else []), *(["--site", site] if site else [])]
    return command("snqd", "resume", *narrowed)


def covering(pauses: Iterable[PauseFact], queue: str, site: str | None) -> list[PauseFact]:
    """Pauses that hold and cover these items, the widest first. `site` None: all of the queue's."""
    found = [
        fact
        for fact in pauses
        if not fact.ended and fact.queue in ("", queue) and (not fact.site or (site is not None and fact.site == site))
    ]
    return sorted(found, key=lambda fact: (bool(fact.queue) + bool(fact.site), fact.queue == ""))


def within(pauses: Iterable[PauseFact], queue: str) -> list[PauseFact]:
    """Pauses that hold and cover a part of the queue."""
    found = [fact for fact in pauses if not fact.ended and fact.site and fact.queue in ("", queue)]
    return sorted(found, key=lambda fact: (fact.site, fact.queue))


def _moment(at: float) -> str:
    """To the minute, as all who are asked by a pause think of it."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))

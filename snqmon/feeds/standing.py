"""How it stands with a live feed: from its sources to one word of trust, one line, and what a person can do. Pure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.subscription import Trouble
from snqd.telemetry.words import duration_words
from snqmon.feeds.base import FeedStatus, Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.telemetry.feed import Source


class Standing(NamedTuple):
    """One source, and what a person can do about it while it is not heard."""

    source: Source
    advice: Sequence[str] = ()

    @property
    def is_heard(self) -> bool:
        """Whether it tells something: a hub that has just said yes has not."""
        return self.source.is_receiving and self.source.datagrams > 0


class Recording(NamedTuple):
    """What is written beside (`--record`)."""

    file: str
    written: int
    failed: int
    problem: str
    """Why the last datagram could not be written; empty = it was."""


def status_of(
    standings: Sequence[Standing],
    now: float,
    *,
    began: float,
    recording: Recording | None = None,
    also: Sequence[str] = (),
) -> FeedStatus:
    """`now` and `began`, when the feed was opened, are of the clock of the sources. `also`: what else a person can do
    while nothing is heard.
    """
    last = max((each.source.last_heard for each in standings if each.source.datagrams), default=-inf)
    age = None if last == -inf else max(0.0, now - last)
    counted = _counted(standings)
    heard = [each for each in counted if each.is_heard]
    trust = _trust(age, heard=len(heard), wanted=len(counted))
    advice = [line for each in counted if not each.source.is_receiving for line in each.advice]
    if not heard:
        advice += also
    words = _words(trust, age, now - began, len(heard), len(counted))
    if recording is not None and recording.problem:
        words += ", not recorded"
        advice.append(_not_recorded(recording))
    return FeedStatus(trust, age, words, tuple(dict.fromkeys(advice)), tuple(each.source for each in standings))


def _counted(standings: Sequence[Standing]) -> list[Standing]:
    """Those that could be heard. A place to which nothing has been pushed yet is not missed beside those that are
    heard, nor is the old port of one that pushes from another now.
    """
    sources = [each.source for each in standings]
    pushing = {_host(source.address) for source in sources if source.is_pushing and source.is_receiving}
    is_any_heard = any(source.is_receiving for source in sources)

    def is_missed(source: Source) -> bool:
        if not source.is_pushing or source.is_receiving:
            return True
        if source.trouble is Trouble.ASKING:
            return not is_any_heard
        return _host(source.address) not in pushing

    return [each for each in standings if is_missed(each.source)]


def _trust(age: float | None, *, heard: int, wanted: int) -> Trust:
    if heard:
        return Trust.LIVE if heard == wanted else Trust.PARTLY
    return Trust.WAITING if age is None else Trust.STALE


def _words(trust: Trust, age: float | None, waited: float, heard: int, wanted: int) -> str:
    if trust is Trust.PARTLY:
        return f"{trust} {heard} of {wanted}"
    return f"{trust} {duration_words(waited if age is None else age)}"


def _not_recorded(recording: Recording) -> str:
    return (
        f"{recording.failed:,} datagrams could not be written to {recording.file}: {recording.problem}: "
        "make room there; what comes is shown all the same"
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0]

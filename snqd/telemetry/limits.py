"""Limits as a person reads them: which of them holds items back, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.pauses import target_words
from snqd.telemetry.words import plural, rate_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from snqd.telemetry.facts import DepthFact, LimitFact

EACH = "*"
"""In the place of a site: each of them."""
LEFT_SECONDS = 3.0
"""What has been ready for so long was left there, and has not just come."""
_USED_UP = 0.9
"""The share of a rate from which on it is taken to be used up: rates are measured over a minute."""
_WINDOW_SECONDS = 60.0
_EXPECTED = 2.0
"""A rate that lets so many items through in that time, and of which none came, holds nothing back."""

Target = tuple[str, str]
"""Queue and site; an empty name means all."""


class Held(NamedTuple):
    """A limit that is reached, as half a sentence, and the setting that says so."""

    sentence: str
    setting: str


def in_flight_of(depths: Iterable[DepthFact]) -> Counter[Target]:
    """How many items are in flight of each queue of a site, each queue, and each site."""
    found: Counter[Target] = Counter()
    for fact in depths:
        if fact.in_flight:
            for target in ((fact.queue, fact.site), (fact.queue, ""), ("", fact.site)):
                found[target] += fact.in_flight
    return found


def is_left(limit: LimitFact | None, lag_seconds: float, out_per_second: float, *, has_idle: bool) -> bool:
    """Whether ready items are left, so that a rate must be used up: beside a worker that has nothing to do, or while as
    many come out as the rate of the whole queue (`limit`) allows. Not if that lets items through and none has come out.
    """
    expected = limit.rate * _WINDOW_SECONDS if limit is not None else 0.0
    if expected >= _EXPECTED and not out_per_second and lag_seconds >= _WINDOW_SECONDS:
        return False
    has_spent = limit is not None and 0 < limit.rate * _USED_UP <= out_per_second
    return lag_seconds >= LEFT_SECONDS and (has_idle or has_spent)


def holding_back(
    limits: Mapping[Target, LimitFact],
    in_flight: Mapping[Target, int],
    queue: str,
    sites: Sequence[str],
    *,
    is_left: bool,
) -> Held | None:
    """The limit that keeps the ready items of a queue, which are of these sites, from being claimed."""
    whole = limits.get((queue, ""))
    if whole is not None and (found := _reached(whole, in_flight, queue, "", is_left=is_left)):
        return found
    first: Held | None = None
    for site in sites:
        held = _of_site(limits, in_flight, queue, site, is_left=is_left)
        if held is None:
            return None
        first = first or held
    if first is None or len(sites) == 1:
        return first
    return first._replace(sentence=f"every site with ready items is at its limit: {first.sentence}")


def _of_site(
    limits: Mapping[Target, LimitFact], in_flight: Mapping[Target, int], queue: str, site: str, *, is_left: bool
) -> Held | None:
    for of_queue in ("", queue):
        limit = limits.get((of_queue, site)) or limits.get((of_queue, EACH))
        if limit is not None and (found := _reached(limit, in_flight, of_queue, site, is_left=is_left)):
            return found
    return None


def _reached(limit: LimitFact, in_flight: Mapping[Target, int], queue: str, site: str, *, is_left: bool) -> Held | None:
    name = target_words(queue, site)
    if limit.in_flight and in_flight.get((queue, site), 0) >= limit.in_flight:
        said = f"{name} is at its limit of {plural(limit.in_flight, 'item')} in flight, over all daemons"
        return Held(said, _setting(limit, "in_flight_limit"))
    if limit.rate and is_left:
        return Held(
            f"{name} is at its limit of {rate_words(limit.rate)}, over all daemons", _setting(limit, "rate_per_second")
        )
    return None


def _setting(limit: LimitFact, key: str) -> str:
    """Where it is set, as far as the configuration has it."""
    if not limit.queue:
        return "sites"
    return f"queue.{limit.queue}.site_{key}" if limit.site else f"queue.{limit.queue}.{key}"

"""Limits as a person reads them: which of them holds items back, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.pauses import target_words
from snqd.telemetry.words import plural, rate_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import LimitFact

EACH = "*"
"""In the place of a site: each of them."""


class Held(NamedTuple):
    """A limit that is reached, as half a sentence, and the setting that says so."""

    sentence: str
    setting: str


def holding_back(view: DaemonView, queue: str, sites: Sequence[str], *, is_left: bool) -> Held | None:
    """The limit that keeps the ready items of a queue, which are of these sites, from being claimed.

    `is_left`: whether they are left although a worker has nothing to do, which shows that a rate is used up.
    """
    whole = view.limits.get((queue, ""))
    if whole is not None and (found := _reached(view, whole, queue, "", is_left=is_left)):
        return found
    reached = [_of_site(view, queue, site, is_left=is_left) for site in sites]
    if not reached or None in reached:
        return None
    first = next(found for found in reached if found is not None)
    if len(sites) == 1:
        return first
    return first._replace(sentence=f"every site with ready items is at its limit: {first.sentence}")


def _of_site(view: DaemonView, queue: str, site: str, *, is_left: bool) -> Held | None:
    for of_queue in ("", queue):
        limit = view.limits.get((of_queue, site)) or view.limits.get((of_queue, EACH))
        if limit is not None and (found := _reached(view, limit, of_queue, site, is_left=is_left)):
            return found
    return None


def _reached(view: DaemonView, limit: LimitFact, queue: str, site: str, *, is_left: bool) -> Held | None:
    depths = view.depths.values()
    in_flight = sum(fact.in_flight for fact in depths if queue in ("", fact.queue) and site in ("", fact.site))
    name = target_words(queue, site)
    if limit.in_flight and in_flight >= limit.in_flight:
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

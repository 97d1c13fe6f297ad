"""Limits: how many items of a queue, of a site, or of a queue of a site may be in flight, and begin in a second.

They hold over everyone who claims from one store. What is in flight is counted from the claims themselves, so whoever
dies gives back what it held, and nothing has to be repaired. A rate is a token bucket that holds a second's worth; it
is kept as the moment when it will be full again, so that one which nobody keeps is full.

A *target* is what a limit is of: queue and site, where an empty name means all.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Target = tuple[str, str]


class Limit(NamedTuple):
    """`in_flight`: most items that are claimed at the same time. `rate`: most that are claimed in a second. 0: any."""

    in_flight: int = 0
    rate: float = 0.0

    @property
    def burst(self) -> float:
        """What a bucket holds: at least one item, else none would ever begin."""
        return max(1.0, self.rate)


NO_LIMIT = Limit()


class SiteLimits(NamedTuple):
    """What a site says itself: of all its items, and by queue. `in_flight` or `rate` None: as for every site."""

    in_flight: int | None = None
    rate: float | None = None
    weight: int = 1
    queues: Mapping[str, tuple[int | None, float | None]] = MappingProxyType({})


class Limits:
    """All that somebody has set. Never changed: others take its place.

    `queues`: of whole queues. `each_site`: of each site in a queue. `every_site`: of each site over all queues.
    `sites`: what sites say themselves, which goes before those two.
    """

    def __init__(
        self,
        queues: Mapping[str, Limit] = MappingProxyType({}),
        each_site: Mapping[str, Limit] = MappingProxyType({}),
        every_site: Limit = NO_LIMIT,
        sites: Mapping[str, SiteLimits] = MappingProxyType({}),
    ) -> None:
        self._queues = {queue: limit for queue, limit in queues.items() if any(limit)}
        self._each_site = {queue: limit for queue, limit in each_site.items() if any(limit)}
        self._every_site = every_site
        self._sites = sites
        self._of_sites = {queue for site in sites.values() for queue, own in site.queues.items() if any(own)}
        self._limits_all = any(every_site) or any(site.in_flight or site.rate for site in sites.values())
        self.has_weights = any(site.weight != 1 for site in sites.values())

    def __bool__(self) -> bool:
        return bool(self.has_weights or self._limits_all or self._queues or self._each_site or self._of_sites)

    def concern(self, queue: str) -> bool:
        """Whether any item of a queue may be limited."""
        return self._limits_all or queue in self._queues or queue in self._each_site or queue in self._of_sites

    def weight(self, site: str) -> int:
        """How many items a site gets in its turn."""
        own = self._sites.get(site)
        return own.weight if own is not None else 1

    def of(self, queue: str, site: str) -> list[tuple[Target, Limit]]:
        """Those that items of a queue of a site count for."""
        own = self._sites.get(site)
        found = [
            ((queue, ""), self._queues.get(queue, NO_LIMIT)),
            (("", site), _own(self._every_site, own and (own.in_flight, own.rate))),
            ((queue, site), _own(self._each_site.get(queue, NO_LIMIT), own and own.queues.get(queue))),
        ]
        return [(target, limit) for target, limit in found if any(limit)]

    def all(self) -> list[tuple[Target, Limit]]:
        """As people need them to find out which holds. Of each site that says nothing itself: its name is `*`."""
        found = [((queue, ""), limit) for queue, limit in self._queues.items()]
        found += [((queue, "*"), limit) for queue, limit in self._each_site.items()]
        found += [(("", "*"), self._every_site)] if any(self._every_site) else []
        for name, own in self._sites.items():
            if (own.in_flight, own.rate) != (None, None):
                found.append((("", name), _own(self._every_site, (own.in_flight, own.rate))))
            found += [
                ((queue, name), _own(self._each_site.get(queue, NO_LIMIT), each)) for queue, each in own.queues.items()
            ]
        return found


def _own(shared: Limit, own: tuple[int | None, float | None] | None) -> Limit:
    in_flight, rate = own or (None, None)
    return Limit(shared.in_flight if in_flight is None else in_flight, shared.rate if rate is None else rate)


NO_LIMITS = Limits()

"""Limits and weights as the configuration and the sites declare them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from snqd.stores.limits import NO_LIMITS, Limit, Limits, SiteLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.config.schema import Config


def limits_of(config: Config, claims: Mapping[str, str]) -> Limits:
    """`claims`: what sites say themselves (`SiteOptions.claims`)."""
    limits = Limits(
        {name: Limit(queue.in_flight_limit or 0, queue.rate_per_second or 0.0) for name, queue in config.queue.items()},
        {
            name: Limit(queue.site_in_flight_limit or 0, queue.site_rate_per_second or 0.0)
            for name, queue in config.queue.items()
        },
        Limit(config.sites.in_flight_limit, config.sites.rate_per_second),
        {name: _own(text) for name, text in claims.items()},
    )
    return limits or NO_LIMITS


def _own(text: str) -> SiteLimits:
    in_flight, rate, weight, queues = json.loads(text)
    return SiteLimits(in_flight, rate, weight, {queue: (most, each) for queue, (most, each) in queues.items()})

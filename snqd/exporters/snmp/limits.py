"""Who is listened to, and how much of them: by address, before anything is decoded."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BURST_SECONDS: Final = 2.0
"""A source may send so many seconds' worth at once: a walk comes in one go."""
ORDINARY_COST: Final = 10.0
"""What pysnmp has to decode costs so many times as much as what the fast path answers."""
SHARES: Final = 4.0
"""All sources together may send so many times as much as one."""
SOURCES: Final = 1024


class Sources:
    """The addresses that are listened to. Empty = all of them."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(each) for each in networks]
        self.allows = lru_cache(maxsize=SOURCES)(self._allows) if networks else _everyone

    def _allows(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


class Pace:
    """A bucket of tokens for each source, and one for all. `per_second` 0 = no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(per_second * SHARES, clock())

    def allows(self, host: str, cost: float = 1.0) -> bool:
        """Whether a source may have so much more; it has had it then."""
        if not self._per_second:
            return True
        now = self._clock()
        bucket = self._sources.get(host)
        if bucket is None:
            bucket = self._sources[host] = _Bucket(self._per_second, now)
            if len(self._sources) > SOURCES:  # who comes under many names is limited by what all may have
                self._sources.popitem(last=False)
        return bucket.has(cost, now) and self._all.take(cost, now) and bucket.take(cost, now)


class _Bucket:
    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = max(rate * BURST_SECONDS, 2 * ORDINARY_COST)
        self._filled_at = now

    def has(self, cost: float, now: float) -> bool:
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate, self._burst)
        self._filled_at = now
        return self._tokens >= cost

    def take(self, cost: float, now: float) -> bool:
        if not self.has(cost, now):
            return False
        self._tokens -= cost
        return True


def _everyone(_host: str) -> bool:
    return True

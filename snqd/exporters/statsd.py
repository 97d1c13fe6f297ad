"""Tells a statsd server what the daemon does, in a few datagrams a tick. The only module that imports `statsd`.

`docs/statsd.md` has the names. Counters are increments, so those of all hosts add up; nothing is told twice, nor left
out when the hub is replaced (`sent.py`). A server that is down is not noticed, and costs nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from statsd import StatsClient

from snqd.exporters.figures import Figures
from snqd.exporters.resolving import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.addresses import Address
    from snqd.exporters.sent import Sent
    from snqd.telemetry.daemon_view import DaemonView

DATAGRAM_BYTES: Final = 1400
REFRESH_SECONDS: Final = 10.0
"""Gauges that have not changed are told again this often: the usual flush interval, after which some servers forget."""


class Statsd:
    """Construct it after the fork. `tick` never blocks and never raises: statsd is told what it can be told."""

    def __init__(
        self,
        address: Address,
        prefix: str,
        *,
        with_sites: bool = False,
        sent: Sent | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"statsd {address}"
        self._prefix = prefix or None
        self._clock = clock
        self._figures = Figures(with_sites=with_sites, sent=sent)
        self._resolver = Resolver(address, clock)
        self._client: StatsClient | None = None
        self._gauges: dict[str, float] = {}
        self._refreshed_at = float("-inf")
        self.lines = 0
        """Figures that were sent."""

    @property
    def problem(self) -> str:
        """Why nothing is told at present; empty = it is."""
        return self._resolver.problem

    def tick(self, view: DaemonView) -> None:
        """Tell what is new since the last tick. While the server's name is not known, increments are kept."""
        now = self._clock()
        client = self._current_client()
        if client is None:
            return
        with client.pipeline() as pipe:
            for name, count in self._figures.increments(view):
                pipe.incr(name, count)
                self.lines += 1
            for name, milliseconds in self._figures.timings(now):
                pipe.timing(name, milliseconds)
                self.lines += 1
            for name, value in self._changed_gauges(self._figures.gauges(view, now), now):
                pipe.gauge(name, value)
                self.lines += 1

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _changed_gauges(self, gauges: dict[str, float], now: float) -> list[tuple[str, float]]:
        is_refresh = now - self._refreshed_at >= REFRESH_SECONDS
        if is_refresh:
            self._refreshed_at = now
        before, self._gauges = self._gauges, gauges
        return [(name, value) for name, value in gauges.items() if is_refresh or before.get(name) != value]

    def _current_client(self) -> StatsClient | None:
        """The client for where the server is now. It looks nothing up: it is given an address in numbers."""
        found = self._resolver.current()
        if found is None:
            return self._client
        self.close()
        try:
            self._client = StatsClient(
                found.host, found.port, self._prefix, maxudpsize=DATAGRAM_BYTES, ipv6=found.is_ipv6
            )
        except OSError:  # no descriptor is free: try again at the next tick
            self._resolver.forget()
            return None
        self._client._sock.setblocking(False)  # a full buffer costs datagrams, not time
        return self._client

"""Figures: what workers tell of the items that were handed to them, since no broker shows what waits.

The oldest items are handed out first, so the oldest that nobody has begun tells the lag. How many wait is more than
what was handed out, as soon as that is as much as the prefetch allows: an estimate, and told as one. Where nothing was
handed out, nothing waits in the destinations that workers listen to. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from snqd.items import CANARY, QueueName, SiteName
from snqd.stores.probe import QueueLag, SiteDepth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.stores.stomp.deliveries import Delivery

TELL_SECONDS = 1.0
"""How often a worker tells, while there is something to be told."""
HEARD_SECONDS = 3.5
"""What was told longer ago is no longer so: its worker has gone, or has nothing."""


class Flow(NamedTuple):
    """What one worker has of a queue and site. `oldest`: since when the oldest ready one could be run, epoch seconds;
    0.0 = none is ready.
    """

    queue: QueueName
    site: SiteName
    ready: int
    in_flight: int
    oldest: float


class Figures(msgspec.Struct, frozen=True):
    """A message of the topic for figures."""

    sender: str
    flows: tuple[Flow, ...]


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Figures).decode


def flows_of(ready: Iterable[Delivery], held: Iterable[Delivery]) -> tuple[Flow, ...]:
    """Canaries are left out."""
    found: dict[tuple[QueueName, SiteName], Flow] = {}
    for is_ready, deliveries in ((True, ready), (False, held)):
        for envelope in (delivery.envelope for delivery in deliveries):
            if envelope.codec == CANARY:
                continue
            key = (envelope.queue, envelope.site)
            flow = found.get(key, Flow(*key, 0, 0, 0.0))
            if is_ready:
                oldest = min(flow.oldest or envelope.available_at, envelope.available_at)
                found[key] = flow._replace(ready=flow.ready + 1, oldest=oldest)
            else:
                found[key] = flow._replace(in_flight=flow.in_flight + 1)
    return tuple(found.values())


class Heard:
    """What a probe has heard lately, by worker. Times are monotonic unless they are an item's."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, tuple[Flow, ...]]] = {}

    def take(self, body: bytes, now: float) -> None:
        """A message; what is none is left alone."""
        try:
            figures = _decode(body)
        except msgspec.MsgspecError:
            return
        self._told[figures.sender] = (now, figures.flows)

    def depths(self, now: float, clock: float) -> list[SiteDepth]:
        """By queue and site. `clock`: the time that lags are reckoned to, epoch seconds."""
        self._told = {sender: told for sender, told in self._told.items() if now - told[0] <= HEARD_SECONDS}
        found: dict[tuple[QueueName, SiteName], SiteDepth] = {}
        for _at, flows in self._told.values():
            for flow in flows:
                key = (flow.queue, flow.site)
                before = found.get(key, SiteDepth(*key, 0, 0, 0, 0.0, 0, True))
                lag = max(0.0, clock - flow.oldest) if flow.oldest else 0.0
                found[key] = before._replace(
                    ready=before.ready + flow.ready,
                    in_flight=before.in_flight + flow.in_flight,
                    lag_seconds=max(before.lag_seconds, lag),
                )
        return [found[key] for key in sorted(found)]

    def lags(self, now: float, clock: float) -> list[QueueLag]:
        found: dict[QueueName, float] = {}
        for depth in self.depths(now, clock):
            if depth.ready:
                found[depth.queue] = max(found.get(depth.queue, 0.0), depth.lag_seconds)
        return [QueueLag(queue, found[queue]) for queue in sorted(found)]

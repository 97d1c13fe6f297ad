"""What can be asked of a broker by STOMP: whether it answers. What waits is reckoned from what workers tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.stores.probe import StoreHealth
from snqd.stores.stomp.brokers import Brokers
from snqd.stores.stomp.figures import Heard
from snqd.stores.stomp.loop import LoopThread
from snqd.stores.stomp.session import Sending

if TYPE_CHECKING:
    from snqd.items import ItemId
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import QueueLag, ScheduleState, SiteDepth
    from snqd.stores.stomp.destinations import Routes
    from snqd.stores.stomp.location import Address


class StompProbe:
    """See `snqd.stores.probe.Probe`, and `figures.py` for what depth and lag are here: estimates, told as such."""

    def __init__(self, addresses: tuple[Address, ...], routes: Routes) -> None:
        self._addresses = addresses
        self._routes = routes
        self._heard = Heard()
        self._open: tuple[LoopThread, Brokers] | None = None

    def lags(self) -> list[QueueLag]:
        loop, _brokers = self._connected()
        return loop.do(self._lags())

    def depths(self) -> list[SiteDepth]:
        """Ready is at least so much, scheduled and dead are not known."""
        loop, _brokers = self._connected()
        return loop.do(self._depths())

    def pauses(self) -> list[Pause]:
        self._connected()
        return []

    def health(self) -> StoreHealth:
        """The time until a broker has confirmed a word that nobody listens to."""
        loop, brokers = self._connected()
        began = time.monotonic()
        loop.do(_ping(brokers, self._routes.control))
        return StoreHealth(round_trip_seconds=time.monotonic() - began)

    def schedules(self) -> list[ScheduleState]:
        """A broker keeps none."""
        return []

    def has_item(self, item: ItemId) -> bool:  # noqa: ARG002
        """Nobody can say that it has gone."""
        return True

    def close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            loop, brokers = opened
            loop.do(brokers.close())
            loop.end()

    def _connected(self) -> tuple[LoopThread, Brokers]:
        """Connects at the first question, and again after a loss. Raises `StoreUnavailable`."""
        if self._open is None:
            loop = LoopThread()
            self._open = loop, loop.do(self._make())
        loop, brokers = self._open
        if not brokers.alive():
            loop.do(brokers.open())
        loop.do(brokers.subscribe(self._routes.figures, ack="auto"))
        return self._open

    async def _lags(self) -> list[QueueLag]:
        return self._heard.lags(time.monotonic(), time.time())

    async def _depths(self) -> list[SiteDepth]:
        return self._heard.depths(time.monotonic(), time.time())

    async def _make(self) -> Brokers:
        return Brokers(
            self._addresses,
            heartbeat_seconds=10.0,
            prefetch=1,
            on_message=lambda _session, _destination, message: self._heard.take(message.body, time.monotonic()),
            on_lost=lambda _session: None,
        )


async def _ping(brokers: Brokers, control: str) -> None:
    await brokers.first().send([Sending(control, {}, b"")])

"""Sites that are not connected must not keep the others waiting: their items are paused until they are.

An item whose site is not connected waits in the worker, in its place, and a worker holds a limited number of items.
With one connection that is all there is to do. With several, the items of a site that is away for `AWAY_SECONDS` would
take the others' places; so the queue is paused for that site, and what the worker holds of it goes back. The pause ends
by itself if nobody renews it, so nothing of it outlives a dead worker for long. A pause by somebody else is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from snqd.errors import StoreUnavailable
from snqd.xmpp.stanzas import QUEUE_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.handlers.service import ServiceContext
    from snqd.items import SiteName
    from snqd.xmpp.connection import XmppConnection

AUTHOR = "xmpp worker"
AWAY_SECONDS = 5.0
RENEW_SECONDS = 30.0
_PAUSE_SECONDS = 90.0
_HEARD_SECONDS = 1.0
"""Every worker goes by a pause within half a second."""
_LOOK_SECONDS = 0.5


class NotConnected(Exception):
    """The site is away: its items go back."""


class Away:
    """Watches one of several connections."""

    def __init__(self, connection: XmppConnection, context: ServiceContext, *, is_needed: Callable[[], bool]) -> None:
        """`is_needed`: whether there are others that could be kept waiting."""
        self._connection = connection
        self._is_needed = is_needed
        self._context = context
        self.is_away = False
        """The items of its sites are paused: what comes all the same goes back."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._connection.down_seconds >= AWAY_SECONDS and self._is_needed():
                with contextlib.suppress(StoreUnavailable):  # then nothing is claimed either
                    await self._go_away()

    async def _go_away(self) -> None:
        connection, sites = self._connection, self._connection.account.sites
        try:
            while not connection.is_connected:
                await self._context.in_store(lambda store: _pause(store, sites, connection.problem))
                if not self.is_away:
                    await asyncio.sleep(_HEARD_SECONDS)
                    self.is_away = not connection.is_connected
                    connection.let_go(NotConnected())
                await self._wait(RENEW_SECONDS)
        finally:
            await self._context.in_store(lambda store: _resume(store, sites))
            self.is_away = False

    async def _wait(self, seconds: float) -> None:
        """Until it is connected, or the pause must be renewed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connection.connected.wait(), seconds)


def _pause(store: Any, sites: Sequence[SiteName], problem: str) -> None:
    others = {pause.site for pause in store.pauses() if pause.queue == QUEUE_OUT and pause.author != AUTHOR}
    for site in sites:
        if site not in others:
            store.pause(QUEUE_OUT, site, author=AUTHOR, reason=problem[:200], seconds=_PAUSE_SECONDS)


def _resume(store: Any, sites: Sequence[SiteName]) -> None:
    ours = {pause.site for pause in store.pauses() if pause.queue == QUEUE_OUT and pause.author == AUTHOR}
    for site in sites:
        if site in ours:
            store.resume(QUEUE_OUT, site, author=AUTHOR)

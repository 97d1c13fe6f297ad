"""What came in, on its way to the store: in order, in batches, and counted when it is durable.

The server is told that we have a stanza (XEP-0198) only when it is stored. When the store is away, input waits here,
and from `FULL` stanzas on in the network: nothing more is read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from snqd.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from snqd.items import NewItem

FULL = 2000
BATCH = 500
_RETRY_SECONDS = (0.2, 5.0)


class Inbox:
    """One per connection, on the event loop; outlasts its sessions."""

    def __init__(self, store: Callable[[Sequence[NewItem]], Awaitable[object]], on_stored: Callable[[], None]) -> None:
        self._store = store
        self._on_stored = on_stored
        self._waiting: deque[tuple[int, NewItem]] = deque()  # with the number of its stanza
        self._task: asyncio.Task[None] | None = None
        self.received = 0
        """Stanzas, whether there is something to store of them or not."""
        self.settled = 0
        """Of those, the first ones, as many as are stored."""

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= FULL

    def take(self, item: NewItem | None) -> None:
        """A stanza has come in. None: nothing of it is stored."""
        self.received += 1
        if item is not None:
            self._waiting.append((self.received, item))
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="xmpp input")
        elif self._task is None:
            self.settled = self.received

    async def settle(self) -> None:
        """Until everything that has come in is stored."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        await asyncio.sleep(0)  # those that come together are stored together
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            await self._put([item for _number, item in batch])
            for _ in batch:
                self._waiting.popleft()
            self.settled = batch[-1][0] if self._waiting else self.received
            if not self._waiting:
                self._task = None
            self._on_stored()

    async def _put(self, batch: Sequence[NewItem]) -> None:
        """Store it, however long that takes."""
        seconds, longest = _RETRY_SECONDS
        while True:
            try:
                await self._store(batch)
            except StoreUnavailable:
                await asyncio.sleep(seconds)  # the worker tells that the store is away
                seconds = min(longest, seconds * 2)
            else:
                return

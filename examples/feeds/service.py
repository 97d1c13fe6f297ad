"""The service that queues polls when they are due: `[handlers] modules = [..., "feeds.service", "feeds.handlers"]`.

It is in every worker and needs no leader: one UPDATE decides which service takes a feed, and what is taken is not due
again before its poll has had time to end.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, ClassVar

import msgspec

import snqd
from feeds.fetching import SECONDS
from feeds.following import take_due
from notices.database import transaction

if TYPE_CHECKING:
    from snqd.handlers.service import ServiceContext

TAKEN_SECONDS = 10 * SECONDS
"""When a poll that nothing was heard of is queued again, if its item does not wait any more."""


class FeedService(snqd.Service):
    """Looks for feeds that are due, all sites together, and queues `feedpoll` for each."""

    look_seconds: ClassVar[float] = 5.0

    async def run(self, context: ServiceContext) -> None:
        url = context.config.store.url
        while True:
            await asyncio.to_thread(queue_due, url)
            await asyncio.sleep(self.look_seconds * random.uniform(0.8, 1.2))


def queue_due(url: str) -> int:
    """Take what is due and queue it, in one transaction; how many."""
    with transaction(url) as database:
        taken = take_due(database, time.time(), taken_seconds=TAKEN_SECONDS)
        for due in taken:
            payload = msgspec.to_builtins(due.poll)
            key = f"feed {due.poll.feed}"
            snqd.enqueue(database.connection, "feedpoll", payload, site=due.site, unique_key=key)
    return len(taken)

"""Keeps a worker's services running, and passes on what they tell of their connections."""

from __future__ import annotations

import asyncio
import random
import traceback
from typing import TYPE_CHECKING

from snqd.handlers.service import ServiceContext
from snqd.retry import Backoff
from snqd.telemetry.events import ServiceFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.handlers.service import BoundService
    from snqd.telemetry.facts import ConnectionFact
    from snqd.worker.parts import Parts
    from snqd.worker.store_thread import StoreThread

CLOSING_SECONDS = 2.0
"""What a service has to close its connections."""
TELL_SECONDS = 1.0
RETELL_SECONDS = 5.0
"""Facts that have not changed are told so often, for a hub that is new."""
_BACKOFF = Backoff(first_seconds=1.0, limit_seconds=60.0)


class ServiceRunner:
    """One per worker, on its event loop."""

    def __init__(self, parts: Parts, store: StoreThread) -> None:
        self._parts = parts
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []
        self._contexts: list[ServiceContext] = []
        self._told: dict[object, ConnectionFact] = {}

    def start(self) -> None:
        for bound in self._parts.services:
            context = self._make_context()
            self._contexts.append(context)
            self._tasks.append(asyncio.create_task(self._keep(bound, context), name=f"service {bound.origin}"))
        if self._tasks:
            self._tasks.append(asyncio.create_task(self._tell_again_and_again(), name="connection facts"))

    def leave(self) -> None:
        """The worker begins to leave."""
        for bound in self._parts.services:
            bound.service.leave()

    async def stop(self) -> None:
        """Cancel the services and wait until they have closed, for at most `CLOSING_SECONDS`."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
            self._tell(fact for context in self._contexts for fact in context.facts.values())

    def _make_context(self) -> ServiceContext:
        parts, store = self._parts, self._store
        return ServiceContext(
            worker=parts.worker,
            config=parts.config,
            read_sites=parts.sites.all,
            sites_version=parts.sites.current_version,
            submit=lambda call: store.submit(lambda: call(parts.store)),
            emit=parts.emit,
        )

    async def _keep(self, bound: BoundService, context: ServiceContext) -> None:
        failures = 0
        while True:
            try:
                await bound.service.run(context)
            except Exception as error:  # a defect of a service is told, and costs neither worker nor handlers
                failures += 1
                delay = _BACKOFF.delay(failures, random.random())
                self._parts.emit(
                    ServiceFailed(
                        worker=self._parts.worker,
                        service=bound.origin,
                        error=f"{type(error).__name__}: {error}",
                        retry_seconds=delay,
                        traceback=traceback.format_exc(limit=60),
                    )
                )
                await asyncio.sleep(delay)
            else:
                return

    async def _tell_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        retell_at = 0.0
        while True:
            if loop.time() >= retell_at:
                self._told.clear()
                retell_at = loop.time() + RETELL_SECONDS
            facts = [fact for context in self._contexts for fact in context.facts.values()]
            self._tell(fact for fact in facts if self._told.get(fact.key) != fact)
            self._told = {fact.key: fact for fact in facts}
            await asyncio.sleep(TELL_SECONDS)

    def _tell(self, facts: Iterable[ConnectionFact]) -> None:
        self._parts.tell(list(facts))

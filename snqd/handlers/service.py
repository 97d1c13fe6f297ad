"""`Service`: something that a worker keeps running beside its handlers, such as a connection or a poller.

A service is found as handlers are: a class that derives from `Service`, in a module of `handlers.modules` or of an
installed package. Each worker of its group has one instance, made after the fork without arguments. A class may be
handler and service at once; there is one instance then, whose `handle` uses what `run` keeps.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from snqd.errors import HandlerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from snqd.config.schema import Config
    from snqd.handlers.context import Site
    from snqd.items import ItemId, NewItem, SiteName
    from snqd.telemetry.events import Event
    from snqd.telemetry.facts import ConnectionFact

Answer = TypeVar("Answer")


class Service:
    """Subclass it, set `group`, and write `run`.

    `run` is a task on the worker's event loop from before the first claim until the last running item has ended; then
    it is cancelled, and has two seconds to close what it has open. Returning early is allowed. When it raises, that is
    an event (`ServiceFailed`), and it is run again after a back-off of 1 to 60 seconds: catch what you expect.

    A group named in `daemon.single_groups` has one worker, so one instance of the service for the whole daemon.
    """

    group: ClassVar[str] = "main"

    async def run(self, context: ServiceContext) -> None:
        """Connect, keep, and close at the end (`finally`)."""
        raise NotImplementedError

    def leave(self) -> None:
        """The worker is leaving and waits for its running items: let go those that nothing can be done for now."""


@dataclass(frozen=True, slots=True)
class BoundService:
    """A service ready to be run."""

    group: str
    service: Service
    origin: str
    """`module.name`, for messages."""


class ServiceContext:
    """Given to `Service.run`. For use on the event loop only."""

    def __init__(
        self,
        *,
        worker: str,
        config: Config,
        read_sites: Callable[[], Mapping[SiteName, Site]],
        sites_version: Callable[[], int],
        submit: Callable[[Callable[[Any], Any]], Future[Any]],
        emit: Callable[[Event], None],
    ) -> None:
        self.worker = worker
        self.config = config
        self._read_sites = read_sites
        self._sites_version = sites_version
        self.logger = logging.getLogger("snqd.service")
        self.emit = emit
        """Say what happened, such as `ConnectionUp`."""
        self.facts: dict[tuple[Any, ...], ConnectionFact] = {}
        """What `tell` was told last of each connection."""
        self._submit = submit

    @property
    def sites(self) -> Mapping[SiteName, Site]:
        """Every declared site that is not set aside, as it is now. Reads all of them: ask again when it is worth it."""
        return self._read_sites()

    @property
    def sites_version(self) -> int:
        """Another number when `sites` may be others. Cheap."""
        return self._sites_version()

    async def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        """Store items in one transaction, durable on return. Raises `StoreUnavailable`: then try again later."""
        return await self.in_store(lambda store: store.enqueue(items))

    async def in_store(self, call: Callable[[Any], Answer]) -> Answer:
        """Run `call(store)` in the thread that has the worker's store, between two exchanges. Keep it short."""
        answer: Answer = await asyncio.wrap_future(self._submit(call))
        return answer

    def tell(self, fact: ConnectionFact) -> None:
        """Say how a connection is, as often as you like: the latest fact of each is on its way within a second."""
        self.facts[fact.key] = fact

    def forget(self, fact: ConnectionFact) -> None:
        """There is no such connection any more."""
        self.facts.pop(fact.key, None)


def bind_service(found: object, origin: str, instance: object = None) -> BoundService | None:
    """The service that `found` (a class) is, or None. `instance`: the one that its handler has, if it is one too."""
    if not (isinstance(found, type) and issubclass(found, Service)) or found is Service:
        return None
    if found.run is Service.run:
        return None  # a base class of the application's own
    if not asyncio.iscoroutinefunction(found.run):
        raise HandlerError(f"service {origin}: run must be a coroutine: async def run(self, context)")
    service = instance if isinstance(instance, Service) else found()
    return BoundService(found.group, service, origin)

"""`Context`: what a handler knows about the item it is given, and how it feeds further queues."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from snqd.errors import HandlerError
from snqd.items import DEFAULT_FRAME_LIMIT_BYTES, NewItem, QueueName, SiteName, new_item

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from concurrent.futures import Future

    from snqd.items import Item

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """A tenant: its name, and the daemon's settings overridden by its own."""

    name: SiteName
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def keep(self, what: str, make: Callable[[Site], T]) -> T:
        """What `make(site)` gave when it was asked for the first time: a connection, a client, a parsed template.

        One for each worker process and site. When the site is changed it is made anew from the new settings; the old
        one is let go once the items that use it are done.
        """
        kept: T
        try:
            kept = self._kept[what]
        except KeyError:
            kept = self._kept[what] = make(self)
        return kept


class ItemLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines carry the item's fields beside those that the handler gives as `extra`."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        # The base class would throw the handler's own away.
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


class Context:
    """Given to `handle` beside the payload. One per item; do not keep it."""

    __slots__ = ("_frame_limit", "_item", "_logger", "_submit", "connection", "on_waiting", "outbox", "site")

    def __init__(
        self,
        item: Item,
        site: Site,
        submit: Callable[[list[NewItem]], Future[Any]],
        frame_limit_bytes: int = DEFAULT_FRAME_LIMIT_BYTES,
        connection: Any = None,
    ) -> None:
        self._item = item
        self._submit = submit
        self._frame_limit = frame_limit_bytes
        self._logger: ItemLogger | None = None
        self.site = site
        """The item's site; an item never runs under another's settings."""
        self.connection = connection
        """The open transaction of a `transactional` handler (psycopg or sqlite3 connection), else None."""
        self.on_waiting: Callable[[], None] | None = None
        """For the worker: called by `waiting`."""
        self.outbox: list[NewItem] = []
        """Items enqueued with `atomically=True`: stored in the transaction that acks this item."""

    @property
    def item_id(self) -> int:
        return self._item.id

    @property
    def queue(self) -> QueueName:
        return self._item.queue

    @property
    def attempt(self) -> int:
        """Number of this handling, 1 for the first."""
        return self._item.attempts + 1

    @property
    def token(self) -> int:
        """The fencing token: grows with every claim of the item; hand it to systems that can refuse a stale one."""
        return self._item.token

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines carry item, queue, site and attempt."""
        if self._logger is None:
            extra = {
                "item": self._item.id,
                "queue": self._item.queue,
                "site": self._item.site,
                "attempt": self.attempt,
            }
            self._logger = ItemLogger(logging.getLogger("snqd.handler"), extra)
        return self._logger

    def waiting(self) -> None:
        """Say that only somebody else is waited for from here on, such as the acknowledgement of a server.

        The item then takes no place of those that run, so that a queue whose handler `waits` may have hundreds, and is
        not blamed if the worker dies: it is given back without using an attempt. Call it before the first `await`.
        """
        if self.on_waiting is not None:
            self.on_waiting()

    def enqueue(
        self, queue: str, payload: Any, *, site: str | None = None, atomically: bool = False, **options: Any
    ) -> None:
        """Store an item, by default for this item's site; durable when it returns. `options` as of `snqd.new_item`.

        With `atomically=True` it is stored in the same transaction as this item's ack, so that it exists if and only if
        this item is done. A transactional handler always enqueues so: waiting for another transaction inside its own
        would never end on a store with one writer. Blocks for a commit: in a coroutine, use `enqueue_async` or
        `atomically=True`.
        """
        item = self._new_item(queue, payload, site, options)
        if atomically or self.connection is not None:
            self.outbox.append(item)
        else:
            self._submit([item]).result()

    async def enqueue_async(self, queue: str, payload: Any, *, site: str | None = None, **options: Any) -> None:
        """As `enqueue`, without keeping the event loop waiting."""
        await asyncio.wrap_future(self._submit([self._new_item(queue, payload, site, options)]))

    def _new_item(self, queue: str, payload: Any, site: str | None, options: dict[str, Any]) -> NewItem:
        options.setdefault("frame_limit_bytes", self._frame_limit)
        return new_item(queue, payload, site=self.site.name if site is None else site, **options)

    def need_connection(self) -> Any:
        """`connection`, or `HandlerError` when the handler is not declared `transactional=True`."""
        if self.connection is None:
            raise HandlerError(f"queue {self.queue!r}: declare the handler transactional=True to get a connection")
        return self.connection

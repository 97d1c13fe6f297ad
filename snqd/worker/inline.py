"""Handling an item where it is enqueued: what `inline://` runs instead of a worker."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from snqd.errors import BadItem, ConfigError
from snqd.handlers.context import Context
from snqd.items import decode
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released
from snqd.worker.tenants import UNKNOWN_SITE
from snqd.worker.verdict import UNKNOWN_SITE_SECONDS, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.handlers.base import BoundHandler
    from snqd.items import Item, ItemId, NewItem
    from snqd.registry import QueueRegistry
    from snqd.stores.outcomes import Outcome
    from snqd.worker.tenants import Tenants


def inline_runner(
    registry: QueueRegistry,
    sites: Tenants,
    enqueue: Callable[[list[NewItem]], list[ItemId | None]],
    *,
    frame_limit_bytes: int,
) -> Callable[[Item], Outcome]:
    """A function that handles an item in this thread and says what became of it. Time limits do not apply.

    Raises `ConfigError` for a queue without a handler: the caller learns at once, and the item stays.
    """

    def submit(items: list[NewItem]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(enqueue(items))
        return future

    def run(item: Item) -> Outcome:
        handler = registry.get(item.queue)
        if handler is None:
            raise ConfigError(f"queue {item.queue!r} has no handler: name its module in handlers.modules")
        tenant = sites.find(item.site)
        if tenant is None:
            return Released(item, UNKNOWN_SITE_SECONDS, f"{UNKNOWN_SITE}{item.site!r}")
        of_site = tenant.handlers.get(item.queue)
        if of_site is None:
            return Released(item, UNKNOWN_SITE_SECONDS, tenant.refusal(item.queue))
        handler = of_site
        context = Context(item, tenant.site, submit, frame_limit_bytes)
        try:
            _call(handler, decode(item.frame, item.codec), context)
        except BadItem as error:
            return DeadLettered(item, DeadReason.BAD_ITEM, str(error))
        except Exception as error:
            return judge(item, handler.options, error, random.random())
        return Done(item, tuple(context.outbox))

    return run


def _call(handler: BoundHandler, payload: Any, context: Context) -> None:
    if handler.options.transactional:
        raise ConfigError(f"queue {context.queue!r}: a transactional handler needs a database, not inline://")
    if handler.is_async:
        asyncio.run(handler.call(payload, context))
    else:
        handler.call(payload, context)

"""The store whose `enqueue` handles items itself: with the handlers and sites of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.wiring.handlers import load_registry
from snqd.wiring.sites import load_tenants

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.items import ItemId, NewItem
    from snqd.stores.base import Store


def open_inline(config: Config) -> Store:
    """Items are handled by `enqueue` itself, with the handlers and sites of the configuration."""
    from snqd.stores.inline import InlineStore
    from snqd.stores.memory import MemoryStore
    from snqd.worker.inline import inline_runner

    store: InlineStore

    def enqueue(items: list[NewItem]) -> list[ItemId | None]:
        return store.enqueue(items)

    limit = config.store.frame_limit_bytes
    registry = load_registry(config)
    handlers = {queue: found for queue in registry.queues() if (found := registry.get(queue)) is not None}
    run = inline_runner(registry, load_tenants(config, handlers), enqueue, frame_limit_bytes=limit)
    store = InlineStore(run, MemoryStore(config.store))
    return store

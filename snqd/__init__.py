"""snqd: a queue daemon that an operator can see into.

Handlers: `handler`, `Handler`, `Retry`, `Discard`, `Reject`, `Backoff`, `Context`; beside them `Service`. Enqueue:
`enqueue`, `enqueue_many` and their async twins on your own connection; `Client`, `AsyncClient` on ours. Names are
imported when they are first used, so that a handler module does not pay for the client, nor a web request for the
daemon.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snqd.client import AsyncClient as AsyncClient
    from snqd.client import Client as Client
    from snqd.client import enqueue as enqueue
    from snqd.client import enqueue_async as enqueue_async
    from snqd.client import enqueue_many as enqueue_many
    from snqd.client import enqueue_many_async as enqueue_many_async
    from snqd.errors import SnqdError as SnqdError
    from snqd.handlers.base import Handler as Handler
    from snqd.handlers.base import handler as handler
    from snqd.handlers.context import Context as Context
    from snqd.handlers.outcomes import Discard as Discard
    from snqd.handlers.outcomes import Reject as Reject
    from snqd.handlers.outcomes import Retry as Retry
    from snqd.handlers.service import Service as Service
    from snqd.handlers.service import ServiceContext as ServiceContext
    from snqd.items import new_item as new_item
    from snqd.retry import Backoff as Backoff

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "snqd.client",
    "Client": "snqd.client",
    "enqueue": "snqd.client",
    "enqueue_async": "snqd.client",
    "enqueue_many": "snqd.client",
    "enqueue_many_async": "snqd.client",
    "SnqdError": "snqd.errors",
    "Handler": "snqd.handlers.base",
    "handler": "snqd.handlers.base",
    "Context": "snqd.handlers.context",
    "Discard": "snqd.handlers.outcomes",
    "Reject": "snqd.handlers.outcomes",
    "Retry": "snqd.handlers.outcomes",
    "Service": "snqd.handlers.service",
    "ServiceContext": "snqd.handlers.service",
    "new_item": "snqd.items",
    "Backoff": "snqd.retry",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

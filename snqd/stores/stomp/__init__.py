"""The STOMP store: items are messages of a broker, RabbitMQ or ActiveMQ.

The client library is optional, so nothing here is imported before it is known to be there: use `open_stomp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snqd.config.schema import StoreConfig
    from snqd.items import QueueName
    from snqd.stores.stomp.desk import StompDesk
    from snqd.stores.stomp.store import StompStore

_MISSING = "the STOMP store needs stompman: pip install 'snqd[stomp]'"


def open_stomp(config: StoreConfig, groups: Mapping[str, str], serves: Sequence[QueueName] = ()) -> StompStore:
    """The store for `config.url`. `groups`: the groups of queues that are not in `main`. `serves`: the queues whose
    items the caller will claim.

    Raises `ConfigError`; `StoreError` when stompman is not installed.
    """
    try:
        from snqd.stores.stomp.store import StompStore
    except ImportError as error:
        raise _without(error) from error
    return StompStore(config, groups, serves)


def open_stomp_desk(config: StoreConfig) -> StompDesk:
    """The desk on the control topic of `config.url`. Raises as `open_stomp` does."""
    try:
        from snqd.stores.stomp.desk import StompDesk
    except ImportError as error:
        raise _without(error) from error
    return StompDesk(config)


def _without(error: ImportError) -> Exception:
    return StoreError(_MISSING) if (error.name or "").partition(".")[0] == "stompman" else error

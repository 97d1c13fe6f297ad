"""What a worker is made of: handed over by wiring, shared by the worker's modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from snqd.config.schema import Config
    from snqd.handlers.base import BoundHandler
    from snqd.handlers.service import BoundService
    from snqd.items import NewItem, QueueName
    from snqd.stores.base import Store
    from snqd.telemetry.board import Board, SlotView
    from snqd.telemetry.events import Event
    from snqd.telemetry.facts import ConnectionFact
    from snqd.telemetry.ledger import Ledger, LedgerWriter
    from snqd.telemetry.no_book import NoBook
    from snqd.telemetry.stacks import StackFile
    from snqd.worker.bell import Bell
    from snqd.worker.claims import Claims
    from snqd.worker.errand import Errand
    from snqd.worker.tenants import Tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One worker process. Made after the fork; nothing in it is shared but the board, the ledger and the bell."""

    worker: str
    """Worker id, e.g. `main.3`."""
    config: Config
    handlers: Mapping[QueueName, BoundHandler]
    """The handlers of the worker's groups."""
    services: tuple[BoundService, ...]
    """The services of the same groups."""
    duties: tuple[str, ...]
    """Those of its groups that only one worker of all hosts may serve."""
    known_queues: tuple[QueueName, ...]
    """Every queue that has a handler here, in any group."""
    sites: Tenants
    store: Store
    enqueue_on: Callable[[Any, Sequence[NewItem]], None]
    """Store items on a transactional handler's connection."""
    board: Board
    view: SlotView
    ledger: Ledger
    open_book: Callable[[int], LedgerWriter | NoBook]
    """A slot's part of the ledger; a `NoBook` when nobody reads it."""
    book: LedgerWriter | NoBook
    """That of this slot."""
    accounts: Claims
    """`Accounts`, unless it is a `NoBook`."""
    stack_file: StackFile | None
    bell: Bell
    lifeline_fd: int
    memory_limit_bytes: int | None
    emit: Callable[[Event], None]
    tell: Callable[[Sequence[ConnectionFact]], None]
    """Give facts about connections to the hub."""
    on_ready: Callable[[], None]
    """Called once, in the store's thread, when the worker begins to claim."""
    errand: Errand | None = None
    """Leave when nothing is ready, instead of waiting."""

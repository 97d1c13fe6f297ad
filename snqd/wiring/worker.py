"""What one worker's process is made of."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from snqd.wiring.crew import duties_of, groups_of
from snqd.wiring.handlers import load_registry, served
from snqd.wiring.sites import find_sites
from snqd.wiring.stores import engine_of, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from snqd.config.schema import Config
    from snqd.items import NewItem
    from snqd.telemetry.channels import Channels
    from snqd.telemetry.emitter import Emitter
    from snqd.telemetry.facts import ConnectionFact
    from snqd.telemetry.seat import WorkerSeat
    from snqd.worker.bell import Bell
    from snqd.worker.parts import Parts


def make_parts(
    config: Config, seat: WorkerSeat, bell: Bell, emitter: Emitter, channels: Channels, *, sites: Path
) -> Parts:
    """Everything that one worker process is made of. Call after the fork. `sites`: the image of the declared sites."""
    from snqd.telemetry.board import Word
    from snqd.telemetry.events import WorkerReady
    from snqd.telemetry.no_book import NoBook
    from snqd.worker.accounts import Accounts
    from snqd.worker.claims import Claims
    from snqd.worker.parts import Parts
    from snqd.worker.tenants import Tenants, image_source

    registry = load_registry(config)
    groups = groups_of(config.daemon, seat.slot)
    handlers = {queue: found for queue, found in served(registry, config).items() if found.options.group in groups}
    group_of: dict[str, str] = {queue: found.group for queue, found in registry.options().items()}
    store = open_store(config, group_of=group_of, serves=tuple(handlers))
    open_book = channels.ledger.writer if config.telemetry.enabled else NoBook
    book = open_book(seat.slot)
    born_ns = seat.view.get(Word.SPAWNED_NS)

    def on_ready() -> None:
        seat.view.set(Word.READY, 1)
        emitter.emit(
            WorkerReady(
                worker=seat.worker,
                pid=os.getpid(),
                queues=tuple(handlers),
                startup_seconds=round((time.monotonic_ns() - born_ns) / 1e9, 3),
            )
        )

    return Parts(
        worker=seat.worker,
        config=config,
        handlers=handlers,
        services=tuple(found for group in groups for found in registry.services_in(group)),
        duties=duties_of(config.daemon, seat.slot),
        known_queues=registry.queues(),
        sites=Tenants(config, handlers, image_source(sites, lambda: find_sites(config))),
        store=store,
        enqueue_on=_enqueue_on,
        board=seat.board,
        view=seat.view,
        ledger=channels.ledger,
        open_book=open_book,
        book=book,
        accounts=Claims() if isinstance(book, NoBook) else Accounts(book),
        stack_file=channels.stacks.for_slot(seat.slot),
        bell=bell,
        lifeline_fd=seat.lifeline_fd,
        memory_limit_bytes=seat.memory_limit_bytes,
        emit=emitter.emit,
        tell=channels.pipe.sink.tell if config.telemetry.enabled else _tell_nobody,
        on_ready=on_ready,
    )


def _tell_nobody(_facts: Sequence[ConnectionFact]) -> None: ...


def _enqueue_on(connection: object, items: Sequence[NewItem]) -> None:
    engine_of(connection).enqueue(connection, items)

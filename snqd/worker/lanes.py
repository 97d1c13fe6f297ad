"""Lanes: which queues are claimed together, how their items run, and how many the worker may hold."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from snqd.stores.outcomes import Lane
from snqd.worker.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.config.schema import StoreConfig
    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName


class Mode(Enum):
    """How a handler runs."""

    INLINE = "inline"
    """Plain function, on the main thread, one at a time: the fastest way."""
    THREAD = "thread"
    """Plain function in a thread: several at a time, or beside async handlers."""
    TASK = "task"
    """Coroutine on the worker's event loop."""


class WorkLane:
    """A lane as the worker keeps it.

    `claimed` is written only by the store's thread and `finished` only by the main one: the difference needs no lock.
    """

    def __init__(self, queues: tuple[QueueName, ...], mode: Mode, pace: Pace, concurrency: int) -> None:
        self.queues = queues
        self.mode = mode
        self.pace = pace
        self.concurrency = concurrency
        self.claimed = 0
        self.finished = 0

    @property
    def held(self) -> int:
        """Items claimed and not finished."""
        return self.claimed - self.finished

    def wish(self, batch_limit: int) -> Lane | None:
        """What to claim for this lane now, if anything.

        While everything that can run is running, it waits until half of what the lane may hold has room: many items
        share a transaction then.
        """
        held = self.held
        capacity = self.pace.capacity
        room = capacity - held
        if room <= 0 or (held >= self.concurrency and room * 2 < capacity):
            return None
        return Lane(self.queues, min(room, batch_limit))


def plan(handlers: Mapping[QueueName, BoundHandler], config: StoreConfig) -> dict[QueueName, WorkLane]:
    """The lane of each queue.

    All plain handlers with concurrency 1 share one inline lane, because they share the main thread. Where there is an
    async handler too, plain ones run in threads: otherwise each would stop the event loop while it runs.
    """
    has_async = any(found.is_async for found in handlers.values())
    lanes: dict[QueueName, WorkLane] = {}
    inline = tuple(
        queue
        for queue, found in handlers.items()
        if not has_async and not found.is_async and found.options.concurrency == 1
    )
    if inline:
        lanes.update(dict.fromkeys(inline, _lane(inline, Mode.INLINE, 1, config)))
    for queue, found in handlers.items():
        if queue not in lanes:
            mode = Mode.TASK if found.is_async else Mode.THREAD
            lanes[queue] = _lane((queue,), mode, found.options.concurrency, config)
    return lanes


def _lane(queues: tuple[QueueName, ...], mode: Mode, concurrency: int, config: StoreConfig) -> WorkLane:
    pace = Pace(concurrency=concurrency, prefetch_seconds=config.prefetch_seconds, batch_limit=config.batch_limit)
    return WorkLane(queues, mode, pace, concurrency)

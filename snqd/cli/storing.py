"""A thread that stores one batch while the next is read: reading costs as much as storing, so it halves the time.

At most one batch is on its way. The thread is a daemon: when a store does not answer and the person gives up, the
process can leave.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from snqd.items import NewItem
    from snqd.stores.base import Store


class Batch(NamedTuple):
    """Items, and the number of the line after which everything up to there is stored with them."""

    items: list[NewItem]
    last_line: int


class Storing:
    """Stores batches in order. Uses the store alone until `wait` has said that nothing is on its way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: SimpleQueue[tuple[Batch, Future[int]]] = SimpleQueue()
        self._on_its_way: tuple[Batch, Future[int]] | None = None
        threading.Thread(target=self._work, name="storing", daemon=True).start()
        self.has_failed = False
        """Whether the store has raised; what is on its way then may or may not have arrived."""
        self.stored = 0
        self.duplicates = 0
        self.last_line = 0
        """Every line up to this one is dealt with."""

    @property
    def doubtful_line(self) -> int:
        """Lines after `last_line` up to this one may or may not be stored; 0 when nothing is on its way."""
        return self._on_its_way[0].last_line if self._on_its_way is not None else 0

    def put(self, batch: Batch) -> None:
        """Begin to store `batch`, once the one before is stored. Raises what storing that one raised."""
        self.wait()
        if batch.items:
            self._on_its_way = (batch, Future())
            self._jobs.put(self._on_its_way)
        else:
            self.last_line = batch.last_line

    def wait(self) -> None:
        """Return when nothing is on its way. Raises what the store raised; then nothing more may be put."""
        if self._on_its_way is None:
            return
        batch, done = self._on_its_way
        try:
            stored = done.result()
        except Exception:
            self.has_failed = True
            raise
        self._on_its_way = None
        self.stored += stored
        self.duplicates += len(batch.items) - stored
        self.last_line = batch.last_line

    def _work(self) -> None:
        while True:
            batch, done = self._jobs.get()
            try:
                done.set_result(self._store.enqueue_many(batch.items))
            except BaseException as error:
                done.set_exception(error)

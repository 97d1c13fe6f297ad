"""`InlineStore`: no queue at all; `enqueue` handles the item before it returns. For tests and tiny sites.

What the original's UnQueueManager did, with three differences. An item that a handler enqueues runs after the one that
is running, not inside it, so that a chain of items is not a tower of calls. An item that is to be tried again is tried
again at once, `attempts` times in all, delays left out. And nothing vanishes: items are kept in another store while
they run, and stay there, as dead letters, when they fail for good; released ones stay scheduled, for `retry_now`.

Delays of new items are left out too. Items of what is paused are kept, and handled by the `resume` that ends it. The
store that keeps the items is used by one thread at a time, as stores are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.stores.outcomes import DeadLettered, DeadReason, Lane, Released, Retried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqd.items import Item, ItemId, NewItem, QueueName, SiteName
    from snqd.stores.base import Store
    from snqd.stores.outcomes import Outcome
    from snqd.stores.pauses import Pause

INLINE_ATTEMPTS = 3
_SET_ASIDE_SECONDS = 3600.0


class InlineStore:
    """A `Store` of which everything but enqueueing is what `kept` does. `run` handles an item and says its outcome."""

    kind = "inline"

    def __init__(self, run: Callable[[Item], Outcome], kept: Store, *, attempts: int = INLINE_ATTEMPTS) -> None:
        self._run = run
        self._kept = kept
        self._attempts = attempts
        self._queues: list[QueueName] = []
        self._is_running = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        """Store and handle `items`. Raises what `run` raises; that item and those after it are kept, ready."""
        ids = self._kept.enqueue([item._replace(delay_seconds=0.0, available_at=None) for item in items])
        self._queues.extend(item.queue for item in items)
        self._start()
        return ids

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        """As `enqueue`."""
        return sum(item_id is not None for item_id in self.enqueue(list(items)))

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        """As the protocol says, and handle what has waited. Raises what `run` raises, like `enqueue`."""
        ended = self._kept.resume(queue, site, author=author)
        if ended is not None:
            self._queues.extend(found.queue for found in self._kept.counts() if found.ready)
            self._start()
        return ended

    def _start(self) -> None:
        if self._is_running:
            return  # by whoever runs now, when it is their turn
        self._is_running = True
        try:
            self._run_all()
        finally:
            self._is_running = False

    def _run_all(self) -> None:
        """Handle what is ready, until nothing is: handlers may have enqueued more."""
        while self._queues:
            queue = self._queues[0]
            exchanged = self._kept.exchange([], [Lane((queue,), 1)])
            if not exchanged.claimed and not exchanged.aside:
                self._queues.pop(0)
            for item in exchanged.claimed:
                self._run_one(item)

    def _run_one(self, item: Item) -> None:
        try:
            outcome = self._run(item)
        except BaseException:
            self._kept.exchange([Released(item)], [])
            self._queues.clear()
            raise
        self._kept.exchange([self._at_once(outcome)], [])

    def _at_once(self, outcome: Outcome) -> Outcome:
        """The outcome where nobody will come back later."""
        if isinstance(outcome, Retried):
            if outcome.item.attempts + 1 < self._attempts:
                return outcome._replace(delay_seconds=0.0)
            return DeadLettered(outcome.item, DeadReason.ATTEMPTS, outcome.error, outcome.traceback)
        if isinstance(outcome, Released):  # scheduled: ready, it would be next, for ever
            return outcome._replace(delay_seconds=max(outcome.delay_seconds, _SET_ASIDE_SECONDS))
        return outcome

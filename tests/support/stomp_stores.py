"""Stores on brokers, for tests that ask at once what a broker tells a moment later."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from snqd.config.schema import StoreConfig
from snqd.items import QueueName
from snqd.stores.corrections import Kind
from snqd.stores.outcomes import Done, Lane, Released, Retried
from snqd.stores.records import ItemFilter
from snqd.stores.stomp.store import StompStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snqd.items import Item, ItemId, NewItem
    from snqd.stores.corrections import Correction, Place, Step
    from snqd.stores.outcomes import Exchanged, Outcome
    from snqd.stores.records import ItemRecord
    from snqd.stores.stomp.transaction import StompTransaction

SECONDS = 30.0
MANY = 5000
"""A prefetch that no test reaches: what waits is delivered."""


class _World:
    """What the stores of one test have put into their broker, counted by queue, and those stores."""

    def __init__(self) -> None:
        self.ready: Counter[str] = Counter()
        self.stores: set[PatientStore] = set()

    def delivered(self, queue: str) -> int:
        return sum(store.count_ready(queue) for store in self.stores)


_worlds: dict[str, _World] = {}


class PatientStore(StompStore):
    """A claim waits until everything that must be claimable has been delivered to some store of the test, as a worker
    waits for its wake-up. It changes nothing else, and goes on without what does not come.
    """

    def __init__(self, config: StoreConfig) -> None:
        super().__init__(config, {})
        self._world = _worlds.setdefault(config.url, _World())

    def count_ready(self, queue: str) -> int:
        return 0 if self._line is None else self._line.deliveries.count_ready(queue)

    def connect(self) -> None:
        super().connect()
        self._world.stores.add(self)

    def close(self) -> None:
        if self._line is not None:
            self._world.ready.update(delivery.envelope.queue for delivery in self._line.deliveries.held.values())
        self._world.stores.discard(self)
        super().close()

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        ids = super().enqueue(items)
        self._expect(items)
        return ids

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        lost = super().exchange(outcomes, ()).lost
        for outcome in outcomes:
            if outcome.item not in lost:
                self._happened(outcome)
        exchanged = super().exchange((), self._settled(lanes))
        self._world.ready.subtract(item.queue for item in exchanged.claimed)
        return exchanged._replace(lost=lost)

    @contextmanager
    def transaction(self, item: Item) -> Iterator[StompTransaction]:
        with super().transaction(item) as work:
            yield work
        self._expect(work.items)

    def step(self, correction: Correction, after: Place | None, most: int) -> Step:
        before = Counter(letter.queue for letter in self.find_dead(ItemFilter()))
        step = super().step(correction, after, most)
        if correction.kind is Kind.REPLAY:
            before.subtract(letter.queue for letter in self.find_dead(ItemFilter()))
            self._world.ready.update(before)
        return step

    def open_wakeups(self) -> list[int]:
        """A worker listens for its queues before anything can wake it."""
        self.serve([QueueName("mail")])
        return super().open_wakeups()

    def find(self, wanted: ItemFilter, *, frames: bool = True) -> Iterator[ItemRecord]:
        """What has been delivered to the stores of the test: their own data, since no broker shows what waits in it."""
        self._settled([Lane(tuple(QueueName(queue) for queue in self._world.ready), 1)])
        found = [record for store in self._world.stores for record in store.delivered()]
        return iter(sorted(found, key=lambda record: record.id))

    def delivered(self) -> list[ItemRecord]:
        assert self._line is not None
        deliveries = self._line.deliveries
        held = [each.envelope.record("claimed") for each in deliveries.held.values()]
        return [
            *(each.envelope.record("ready") for each in deliveries.ready()),
            *(replace(record, claimed_by=self.claimant) for record in held),
            *(each.envelope.record("scheduled") for each in deliveries.early),
        ]

    def _expect(self, items: Sequence[NewItem]) -> None:
        now = time.time()
        self._world.ready.update(
            item.queue for item in items if item.delay_seconds <= 0.0 and (item.available_at or 0.0) <= now
        )

    def _happened(self, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            self._expect(outcome.outbox)
        elif isinstance(outcome, Released | Retried) and outcome.delay_seconds <= 0.0:
            self._world.ready[outcome.item.queue] += 1

    def _settled(self, lanes: Sequence[Lane]) -> Sequence[Lane]:
        queues = {queue for lane in lanes if lane.limit for queue in lane.queues}
        if queues:
            self.serve(queues)
        until = time.monotonic() + SECONDS
        while any(self._world.delivered(queue) < self._world.ready[queue] for queue in queues):
            if time.monotonic() > until:
                break
            time.sleep(0.002)
        return lanes


def make_patient(location: str, lease_seconds: float) -> PatientStore:
    """A store by its address: what a `tests.support.stores.Recipe` names."""
    return PatientStore(StoreConfig(url=location, lease_seconds=lease_seconds, prefetch_items=MANY))


class HungryStore(StompStore):
    """A claim waits until it has all that it wishes for."""

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        exchanged = super().exchange(outcomes, lanes)
        (lane,) = lanes
        until = time.monotonic() + SECONDS
        while len(exchanged.claimed) < lane.limit and time.monotonic() < until:
            time.sleep(0.002)
            wish = lane._replace(limit=lane.limit - len(exchanged.claimed))
            exchanged.claimed.extend(super().exchange((), [wish]).claimed)
        return exchanged


def make_hungry(location: str, lease_seconds: float) -> HungryStore:
    return HungryStore(StoreConfig(url=location, lease_seconds=lease_seconds), {})

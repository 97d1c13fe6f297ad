"""What the brokers have delivered to this process: what may be claimed, what is claimed, what is looked at first.

Pure: it sends nothing and knows no clock but the times it is given. A delivery is in one of these places:

*ready*, by queue, in the order of the contract; *suspect*: it has come a second time, so that its last worker may have
died of it, and waits for a word about that; *early*: its time has not come; *held*: a worker has claimed it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from snqd.items import Item, QueueName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqd.items import ItemId
    from snqd.stores.outcomes import Lane
    from snqd.stores.stomp.envelope import Envelope
    from snqd.stores.stomp.session import Session

SUSPECT_SECONDS = 2.0
"""How long an item that came a second time waits for a word about the death of its worker."""


@dataclass(slots=True)
class Delivery:
    """One message in our hands, until it is acked or its session ends. `due`: when it moves by itself, monotonic."""

    session: Session
    destination: str
    ack: str
    envelope: Envelope
    due: float = 0.0
    is_parked_early: bool = False
    """The broker was asked to keep it until its time, and did not."""


class Deliveries:
    """Used by the loop's thread only."""

    def __init__(self) -> None:
        self._ready: dict[QueueName, list[tuple[int, float, ItemId, int, Delivery]]] = {}
        self._order = count()
        self._last_token = 0
        self.suspects: dict[ItemId, Delivery] = {}
        self.early: list[Delivery] = []
        self.held: dict[int, Delivery] = {}
        """By token."""

    def offer(self, delivery: Delivery) -> None:
        """It may be claimed."""
        envelope = delivery.envelope
        entry = (envelope.priority, envelope.available_at, envelope.id, next(self._order), delivery)
        heapq.heappush(self._ready.setdefault(envelope.queue, []), entry)

    def suspect(self, delivery: Delivery, now: float) -> None:
        """It has come a second time. A copy of one that has, too, is looked at after that one. `now`: monotonic."""
        delivery.due = now + SUSPECT_SECONDS
        if delivery.envelope.id in self.suspects:
            self.early.append(delivery)
        else:
            self.suspects[delivery.envelope.id] = delivery

    def unclaimed(self) -> tuple[ItemId, ...]:
        """The ids of what nobody has claimed."""
        return (*self.suspects, *(each.envelope.id for each in (*self.ready(), *self.early)))

    def ready(self) -> list[Delivery]:
        """What may be claimed, in no order."""
        return [entry[-1] for waiting in self._ready.values() for entry in waiting]

    def count_ready(self, queue: str) -> int:
        return len(self._ready.get(QueueName(queue), ()))

    def claim(self, lanes: Sequence[Lane], now: float, *, soon: float) -> list[Item]:
        """See `Lane`. `now`: epoch seconds, from which the tokens are made. `soon`: when what cannot be claimed
        beside what is held should be looked at again, monotonic.
        """
        claimed = []
        ids = {delivery.envelope.id for delivery in self.held.values()}
        for queues, limit in lanes:
            wanted = limit
            heads = sorted((self._ready[queue][0][:3], queue) for queue in queues if self._ready.get(queue))
            for _head, queue in heads:
                waiting = self._ready[queue]
                while wanted > 0 and waiting:
                    delivery = heapq.heappop(waiting)[-1]
                    if delivery.envelope.id in ids:  # a copy, of a message whose ack was lost: it takes its turn later
                        delivery.due = soon
                        self.early.append(delivery)
                        continue
                    ids.add(delivery.envelope.id)
                    claimed.append(self._hold(delivery, now))
                    wanted -= 1
        return claimed

    def let_go(self, item: Item) -> Delivery | None:
        """The claim of `item` ends; None when it was not ours any more."""
        delivery = self.held.get(item.token)
        if delivery is None or not delivery.session.is_alive:
            self.held.pop(item.token, None)
            return None
        return self.held.pop(item.token)

    def is_held(self, item: Item) -> bool:
        delivery = self.held.get(item.token)
        return delivery is not None and delivery.session.is_alive

    def take_unheard(self, kept: Iterable[int]) -> list[Delivery]:
        """End the claims that are not in `kept`, by token: their worker has never heard of them."""
        tokens = self.held.keys() - set(kept)
        return [self.held.pop(token) for token in sorted(tokens)]

    def forget(self, session: Session) -> None:
        """Its broker gives out again what it had delivered there."""
        for queue, waiting in self._ready.items():
            left = [entry for entry in waiting if entry[-1].session is not session]
            heapq.heapify(left)
            self._ready[queue] = left
        self.suspects = {number: each for number, each in self.suspects.items() if each.session is not session}
        self.early = [each for each in self.early if each.session is not session]
        self.held = {token: each for token, each in self.held.items() if each.session is not session}

    def take_due(self, now: float) -> tuple[list[Delivery], list[Delivery]]:
        """Suspects of which nobody has said anything, and early ones that have waited long enough."""
        cleared = [each for each in self.suspects.values() if each.due <= now]
        self.suspects = {number: each for number, each in self.suspects.items() if each.due > now}
        due = [each for each in self.early if each.due <= now]
        self.early = [each for each in self.early if each.due > now]
        return cleared, due

    def next_due(self) -> float | None:
        """Monotonic."""
        return min((each.due for each in (*self.suspects.values(), *self.early)), default=None)

    def _hold(self, delivery: Delivery, now: float) -> Item:
        """Tokens rise from one claim to the next, on all hosts as far as their clocks agree."""
        self._last_token = max(self._last_token + 1, int(now * 1_000_000))
        self.held[self._last_token] = delivery
        envelope = delivery.envelope
        return Item(
            envelope.id,
            self._last_token,
            envelope.site,
            envelope.queue,
            envelope.codec,
            envelope.frame,
            envelope.attempts,
            envelope.crash_attempts,
            envelope.created,
            envelope.available_at,
            envelope.priority,
        )

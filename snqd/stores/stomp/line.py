"""The line to the brokers: everything of the store that waits, in the loop's thread.

An item is never in the store's hands alone: what is given back, tried again, put off or buried is sent anew, and only
then is the message acked that it came in. Whatever dies in between, the broker has at least one of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING

from snqd.errors import BadItem, LeaseLost, StoreUnavailable
from snqd.stores.history import error_text
from snqd.stores.outcomes import DeadLettered, Discarded, Done, Exchanged, Released, Retried
from snqd.stores.stomp.brokers import Brokers
from snqd.stores.stomp.deliveries import Deliveries, Delivery
from snqd.stores.stomp.envelope import Envelope, envelope_of, from_message, next_id, to_headers, unreadable
from snqd.stores.stomp.figures import TELL_SECONDS, Figures, encode, flows_of
from snqd.stores.stomp.flavours import SHORTEST_WAIT_SECONDS
from snqd.stores.stomp.session import Sending, Session
from snqd.stores.stomp.suspicion import Suspicion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stompman import MessageFrame

    from snqd.items import Item, ItemId, NewItem, QueueName
    from snqd.stores.outcomes import Lane, Outcome
    from snqd.stores.repairs import Blame, Blamed
    from snqd.stores.stomp.destinations import Routes
    from snqd.stores.stomp.location import Address

_PARKED = "snqd-parked"
"""Until when the broker was asked to keep a message. One that comes sooner comes from a broker that keeps nothing."""
_CAROUSEL_SECONDS = 1.0
"""How long a worker keeps what is not due where the broker does not, before it goes to the end of its queue."""
_FAREWELL_SECONDS = 5.0
_MOVING_SECONDS = 0.01
_BATCH = 200


class _Work:
    """What is to be sent and acked, by connection: an item is sent where it is acked."""

    def __init__(self) -> None:
        self._by_session: dict[Session, tuple[list[Sending], list[str], list[Item]]] = {}
        self.ids: set[ItemId] = set()

    def add(self, delivery: Delivery, sendings: list[Sending], item: Item | None = None) -> None:
        all_sendings, acks, items = self._by_session.setdefault(delivery.session, ([], [], []))
        all_sendings += sendings
        acks.append(delivery.ack)
        self.ids.add(delivery.envelope.id)
        items += [item] if item is not None else []

    async def commit(self) -> list[Item]:
        """On every broker; the items of those that were lost over it."""
        lost = []
        for session, (sendings, acks, items) in self._by_session.items():
            try:
                await session.commit(sendings, acks)
            except StoreUnavailable:
                lost += items
        return lost


class Line:
    """Made, and used, in the loop's thread. `bell`: a descriptor to write to when something may be claimed."""

    def __init__(
        self, addresses: tuple[Address, ...], routes: Routes, *, heartbeat_seconds: float, prefetch: int
    ) -> None:
        self.brokers = Brokers(
            addresses,
            heartbeat_seconds=heartbeat_seconds,
            prefetch=prefetch,
            on_message=self._on_message,
            on_lost=self._on_lost,
        )
        self.deliveries = Deliveries()
        self.bell: int | None = None
        self.unhandled: set[QueueName] = set()
        """Queues without a handler whose items have come by."""
        self._routes = routes
        self._serves: set[QueueName] = set()
        self._suspicion = Suspicion(
            self.brokers, routes.control, self.deliveries, place=self._place, judged=self._judged
        )
        self._moves: list[tuple[Delivery, Sending]] = []
        self._moving: set[ItemId] = set()
        """Items whose copies may be here before the message that they came in is acked. Running one of them now could
        kill us in between, and leave two.
        """
        self._mover: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._teller: asyncio.Task[None] | None = None

    # ---- connection

    async def close(self) -> None:
        """Give back what has not been claimed, saying that nobody has died of it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._teller is not None:
            self._teller.cancel()
        if self._mover is not None:  # a copy that is sent and not acked would be an item too many
            await asyncio.wait([self._mover], timeout=_FAREWELL_SECONDS)
        ids = self.deliveries.unclaimed()
        if ids:
            await self._suspicion.say_clear(ids)
        await self.brokers.close()

    async def reopen(self, kept: Iterable[int]) -> None:
        """Connect again; claims whose tokens are not in `kept` end."""
        await self.brokers.open()
        for delivery in self.deliveries.take_unheard(kept):
            self._place(delivery)

    # ---- enqueue

    async def enqueue(self, items: Sequence[NewItem]) -> list[ItemId]:
        """Returns when they are on disk. Goes on with the next broker when one is lost meanwhile; a broker that has
        taken them before it was lost then has them too, under the same ids.
        """
        now = time.time()
        envelopes = [envelope_of(item, now) for item in items]
        sendings = [self._sending(envelope) for envelope in envelopes]
        while sendings:
            session = self.brokers.first()
            try:
                await (session.commit(sendings, ()) if len(sendings) > 1 else session.send(sendings))
            except StoreUnavailable:
                if not self.brokers.alive():
                    raise
            else:
                break
        return [envelope.id for envelope in envelopes]

    # ---- work

    async def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        self.brokers.first()
        lost = []
        work = _Work()
        now = time.time()
        for outcome in outcomes:
            delivery = self.deliveries.let_go(outcome.item)
            if delivery is None:
                lost.append(outcome.item)
            else:
                work.add(delivery, self._consequences(outcome, delivery, now), outcome.item)
        lost += await self._commit(work)
        if lost:
            self.brokers.first()  # when it was the last one, nobody knows what it has heard: all is said again
        await self.serve(queue for lane in lanes for queue in lane.queues)
        claimed = self.deliveries.claim(lanes, now, soon=time.monotonic() + _CAROUSEL_SECONDS) if lanes else []
        return Exchanged(claimed, lost)

    async def _commit(self, work: _Work) -> list[Item]:
        """The items of which it is not known what has become of them."""
        self._moving |= work.ids
        try:
            return await work.commit()
        finally:
            self._moving -= work.ids

    async def serve(self, queues: Iterable[QueueName]) -> None:
        """Listen for items of these queues, from now on."""
        new = set(queues) - self._serves
        if new:
            self._serves |= new
            if self._teller is None:
                self._teller = asyncio.get_running_loop().create_task(self._tell_figures())
            await self.brokers.subscribe(self._routes.control, ack="auto")
            for destination in self._routes.of_queues(sorted(new)):
                await self.brokers.subscribe(destination)

    async def transact(self, item: Item, outbox: Sequence[NewItem]) -> None:
        """Ack `item` and send `outbox`. Raises `LeaseLost`."""
        now = time.time()
        sendings = [self._sending(envelope_of(each, now)) for each in outbox]
        delivery = self.deliveries.let_go(item)
        if delivery is None:
            raise LeaseLost(f"item {item.id} of queue {item.queue!r}: its claim is no longer ours")
        try:
            await delivery.session.commit(sendings, [delivery.ack])
        except BaseException:
            if delivery.session.is_alive:  # it was aborted: the claim is still ours
                self.deliveries.held[item.token] = delivery
            raise

    def _consequences(self, outcome: Outcome, delivery: Delivery, now: float) -> list[Sending]:
        """What is sent before the delivery is acked."""
        envelope, session = delivery.envelope, delivery.session
        match outcome:
            case Done(outbox=outbox):
                return [self._sending(envelope_of(each, now)) for each in outbox]
            case Discarded():
                return []
            case Retried(delay_seconds=delay, error=error):
                return [self._later(envelope.failed(error, now)._replace(available_at=now + delay), session, now)]
            case DeadLettered(reason=reason, error=error, traceback=traceback):
                return [self._buried(envelope.failed(error, now).buried(reason, traceback, now))]
            case Released(delay_seconds=delay, note=note):
                if note:
                    envelope = envelope._replace(error=error_text(note))
                if delay:
                    envelope = envelope._replace(available_at=now + delay)
                return [self._later(envelope, session, now)]

    # ---- deaths

    async def blame(self, claimant: str, said: Sequence[Blame], crash_limit: int) -> list[Blamed]:
        """See `Suspicion.blame`."""
        return await self._suspicion.blame(claimant, said, crash_limit)

    def _judged(self, delivery: Delivery, envelope: Envelope) -> None:
        """Somebody has died of it."""
        is_dead = envelope.reason is not None
        later = self._buried(envelope) if is_dead else self._later(envelope, delivery.session, time.time())
        self._move(delivery, later)

    # ---- what comes

    def _on_message(self, session: Session, destination: str, message: MessageFrame) -> None:
        if destination == self._routes.control:
            self._suspicion.hear(message.body)
            return
        headers: dict[str, str] = dict(message.headers)  # type: ignore[arg-type]  # all of them are strings
        now = time.time()
        try:
            envelope = from_message(headers, message.body, now)
        except BadItem as error:
            envelope = unreadable(message.body, error, now)
            self._move(Delivery(session, destination, headers["ack"], envelope), self._buried(envelope))
            return
        parked = headers.get(_PARKED)
        is_early = parked is not None and float(parked) > now + 0.5
        delivery = Delivery(session, destination, headers["ack"], envelope, is_parked_early=is_early)
        self._sort(delivery, is_second=headers.get("redelivered") == "true")

    def _sort(self, delivery: Delivery, *, is_second: bool) -> None:
        """Put a delivery where it belongs."""
        envelope = delivery.envelope
        if not envelope.id:  # another program's: from now on it can be told from others
            delivery.envelope = envelope._replace(id=next_id())
            self._move(delivery, self._sending(delivery.envelope, delivery.destination))
        elif envelope.queue not in self._serves:
            self.unhandled.add(envelope.queue)
            self._move(delivery, self._sending(envelope, self._routes.own(envelope.queue)))
        elif is_second:
            self._suspicion.look_at(delivery)
            self._set_timer()
        else:
            self._place(delivery)

    def _place(self, delivery: Delivery) -> None:
        """Ready, or early."""
        envelope, now = delivery.envelope, time.time()
        seconds = envelope.available_at - now
        if envelope.id in self._moving:
            delivery.due = time.monotonic() + _MOVING_SECONDS
            self.deliveries.early.append(delivery)
            self._set_timer()
        elif seconds <= 0:
            self.deliveries.offer(delivery)
            self._ring()
        elif seconds >= SHORTEST_WAIT_SECONDS and not delivery.is_parked_early:
            self._move(delivery, self._later(envelope, delivery.session, now))
        else:
            delivery.due = time.monotonic() + min(seconds, _CAROUSEL_SECONDS)
            self.deliveries.early.append(delivery)
            self._set_timer()

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        cleared, due = self.deliveries.take_due(now)
        if cleared:
            self._suspicion.nobody_was_blamed()
        for delivery in cleared:
            self._place(delivery)
        for delivery in due:
            seconds = delivery.envelope.available_at - time.time()
            if delivery.is_parked_early and seconds >= SHORTEST_WAIT_SECONDS:
                self._move(delivery, self._later(delivery.envelope, delivery.session, time.time()))
            else:
                self._place(delivery)
        self._ring()
        self._set_timer()

    def _set_timer(self) -> None:
        due = self.deliveries.next_due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._tick)

    def _on_lost(self, session: Session) -> None:
        self.deliveries.forget(session)
        self._moves = [move for move in self._moves if move[0].session is not session]
        self._ring()  # who waits for items has to learn of it

    def _ring(self) -> None:
        if self.bell is not None:
            with contextlib.suppress(BlockingIOError):  # it rings already
                os.write(self.bell, b"!")

    async def _tell_figures(self) -> None:
        """Also that there is nothing any more, once. Of what may be lost, nothing is waited for."""
        sender, has_told = uuid.uuid4().hex, False
        while True:
            await asyncio.sleep(TELL_SECONDS)
            flows = flows_of(self.deliveries.ready(), self.deliveries.held.values())
            alive = self.brokers.alive()
            if alive and (flows or has_told):
                has_told = bool(flows)
                with contextlib.suppress(StoreUnavailable):
                    await alive[0].tell(Sending(self._routes.figures, {}, encode(Figures(sender, flows))))

    # ---- what goes elsewhere

    def _move(self, delivery: Delivery, sending: Sending) -> None:
        self._moves.append((delivery, sending))
        if self._mover is None or self._mover.done():
            self._mover = asyncio.get_running_loop().create_task(self._carry())

    async def _carry(self) -> None:
        while self._moves:
            work = _Work()
            batch, self._moves = self._moves[:_BATCH], self._moves[_BATCH:]
            for delivery, sending in batch:
                work.add(delivery, [sending])
            await self._commit(work)  # what fails is delivered again

    def _sending(self, envelope: Envelope, destination: str = "") -> Sending:
        path = destination or self._routes.of(envelope.queue, envelope.site)
        return Sending(path, to_headers(envelope), envelope.frame)

    def _buried(self, envelope: Envelope) -> Sending:
        return self._sending(envelope, self._routes.dead)

    def _later(self, envelope: Envelope, session: Session, now: float) -> Sending:
        """To its destination, by way of what keeps it until its time, if the broker has that."""
        sending = self._sending(envelope)
        seconds = envelope.available_at - now
        if seconds < SHORTEST_WAIT_SECONDS:
            return sending
        path, headers, step = session.flavour.waiting(sending.destination, seconds)
        headers = {**sending.headers, **headers, _PARKED: f"{now + step:.3f}"}
        return Sending(path, headers, sending.body, is_scheduled=session.flavour.has_scheduler)

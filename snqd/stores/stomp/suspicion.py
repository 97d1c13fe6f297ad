"""Suspicion: items that come a second time, and what is said on the control topic of the deaths of workers.

See `blames.py` for why. This half waits and sends; it belongs to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING

from snqd.errors import StoreUnavailable
from snqd.stores.stomp import blames
from snqd.stores.stomp.deliveries import SUSPECT_SECONDS
from snqd.stores.stomp.session import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.items import ItemId
    from snqd.stores.repairs import Blame, Blamed
    from snqd.stores.stomp.brokers import Brokers
    from snqd.stores.stomp.deliveries import Deliveries, Delivery
    from snqd.stores.stomp.envelope import Envelope

_VERDICT_SECONDS = 3.0
"""How long a repair waits to learn what has become of the items that it blames."""
_AMNESTY_SECONDS = 5.0
"""RabbitMQ says of everything that it had on disk when it started that it comes a second time. Where nobody is blamed,
the items that go on coming so are not held up any more, until none has come for this long or somebody dies.
"""


class Suspicion:
    """`place` takes a delivery that nobody has died of, `judged` one with what it is now that somebody has."""

    def __init__(
        self,
        brokers: Brokers,
        control: str,
        deliveries: Deliveries,
        *,
        place: Callable[[Delivery], None],
        judged: Callable[[Delivery, Envelope], None],
    ) -> None:
        self._brokers = brokers
        self._control = control
        self._deliveries = deliveries
        self._place = place
        self._judged = judged
        self._name = uuid.uuid4().hex
        self._blames = blames.Blames()
        self._blamed_at = float("-inf")
        """When a death was last heard of, monotonic."""
        self._amnesty_until = 0.0
        self._verdict = asyncio.Event()
        self._tellings: set[asyncio.Task[None]] = set()

    async def blame(self, claimant: str, said: Sequence[Blame], crash_limit: int) -> list[Blamed]:
        """Tell everybody; what has become of the items, as far as it is known in time."""
        news = [blame for blame in said if self._note(blame, claimant, crash_limit)]
        if not news:
            return []
        await self._brokers.subscribe(self._control, ack="auto")
        for blame in news:
            await self._tell(blames.Word(self._name, blame=blame, claimant=claimant, crash_limit=crash_limit))
            self._judge(blame.item)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_VERDICT_SECONDS):
                while any(self._blames.verdict(claimant, blame.item) is None for blame in news):
                    self._verdict.clear()
                    await self._verdict.wait()
        found = (self._blames.verdict(claimant, blame.item) for blame in news)
        return [verdict for verdict in found if verdict is not None]

    async def say_clear(self, items: tuple[ItemId, ...]) -> None:
        """They are given back in peace."""
        await self._tell(blames.Word(self._name, clear=items))

    def look_at(self, delivery: Delivery) -> None:
        """It has come a second time."""
        item, now = delivery.envelope.id, time.monotonic()
        if self._blames.is_clear(item):
            self._place(delivery)
        elif self._blames.of(item) is not None:
            self._deliveries.suspect(delivery, now)
            self._judge(item)
        elif now < self._amnesty_until:
            self._amnesty_until = now + _AMNESTY_SECONDS
            self._place(delivery)
        else:
            self._deliveries.suspect(delivery, now)

    def nobody_was_blamed(self) -> None:
        """Suspects have waited long enough."""
        now = time.monotonic()
        if now - self._blamed_at > 2 * SUSPECT_SECONDS:
            self._amnesty_until = now + _AMNESTY_SECONDS

    def hear(self, body: bytes) -> None:
        """A message of the control topic, perhaps of a desk."""
        word = blames.decode(body)
        if word is None or word.sender == self._name:
            return
        if word.blame is not None and self._note(word.blame, word.claimant, word.crash_limit):
            self._judge(word.blame.item)
        if word.verdict is not None:
            self._blames.judged(word.claimant, word.verdict)
            self._verdict.set()
        for item in word.clear:
            delivery = self._deliveries.suspects.pop(item, None)
            if delivery is not None:
                self._place(delivery)
            else:
                self._blames.clear(item)

    def _note(self, blame: Blame, claimant: str, crash_limit: int) -> bool:
        self._blamed_at, self._amnesty_until = time.monotonic(), 0.0
        return self._blames.note(blame, claimant, crash_limit)

    def _judge(self, item: ItemId) -> None:
        """If it is among the suspects."""
        delivery, noted = self._deliveries.suspects.pop(item, None), self._blames.of(item)
        if delivery is None or noted is None:
            return
        envelope, verdict = blames.judge(delivery.envelope, noted, time.time())
        self._blames.judged(noted.claimant, verdict)
        self._verdict.set()
        self._judged(delivery, envelope)
        telling = asyncio.get_running_loop().create_task(
            self._tell(blames.Word(self._name, verdict=verdict, claimant=noted.claimant))
        )
        self._tellings.add(telling)
        telling.add_done_callback(self._tellings.discard)

    async def _tell(self, word: blames.Word) -> None:
        sending = Sending(self._control, {"content-type": "application/json"}, blames.encode(word))
        for session in self._brokers.alive():
            with contextlib.suppress(StoreUnavailable):
                await session.tell(sending)

"""Dead letters on a broker: one durable destination, looked through by taking everything and giving it back.

A look subscribes, sends a mark to the end of the queue, and reads until the mark comes; what it does not ack is given
back, in its place, when its connection ends. A broker that stops after some hundreds without an ack (ActiveMQ does) is
sent on: what it has handed out is sent anew, behind the mark, and acked. Two looks at once see a part each: people
look, no worker does.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

from snqd.errors import BadItem, StoreUnavailable
from snqd.stores.stomp.brokers import Brokers
from snqd.stores.stomp.envelope import CREATED, Envelope, from_message, to_headers, unreadable
from snqd.stores.stomp.session import RECEIPT_SECONDS, Sending, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from stompman import MessageFrame

    from snqd.stores.stomp.location import Address

_MARK = "snqd-mark"
_ALL = 1_000_000
"""More than anybody has: the broker is to send without waiting for acks."""
_OLD_MARK_SECONDS = 120.0
_STALL_SECONDS = 1.0
_BATCH = 200


async def look(addresses: tuple[Address, ...], destination: str, decide: Callable[[Envelope], Sending | bool]) -> int:
    """Call `decide` with every dead letter: True deletes it, a message is sent in its place, False leaves it there.

    The number that it has deleted or sent. Raises `StoreUnavailable`.
    """
    return await _Look(addresses, destination, decide).run()


class _Look:
    def __init__(
        self, addresses: tuple[Address, ...], destination: str, decide: Callable[[Envelope], Sending | bool]
    ) -> None:
        self._destination = destination
        self._decide = decide
        self._mark = uuid.uuid4().hex
        self._come: asyncio.Queue[tuple[Session, MessageFrame] | None] = asyncio.Queue()
        self._kept: dict[Session, dict[str, Sending]] = {}
        """What a broker may have to be sent on with: copies, by the ack of what was handed out."""
        self._brokers = Brokers(
            addresses,
            heartbeat_seconds=10.0,
            prefetch=_ALL,
            on_message=lambda session, _destination, message: self._come.put_nowait((session, message)),
            on_lost=lambda _session: self._come.put_nowait(None),
        )

    async def run(self) -> int:
        """See `look`."""
        try:
            await self._brokers.open()
            await self._brokers.subscribe(self._destination)
            sessions = self._brokers.alive()
            for session in sessions:
                self._kept[session] = {}
                await session.send([Sending(self._destination, self._mark_headers(), b"")])
            return await self._read_to_marks(len(sessions))
        finally:
            await self._brokers.close()

    async def _read_to_marks(self, marks: int) -> int:
        changed = 0
        while marks:
            come = await self._next()
            if come is None:
                raise StoreUnavailable("a STOMP broker was lost while its dead letters were looked through: try again")
            session, message = come
            headers: dict[str, str] = dict(message.headers)  # type: ignore[arg-type]  # all of them are strings
            mark = headers.get(_MARK)
            if mark is None:
                changed += await self._settle(session, headers, message.body)
            elif mark == self._mark:
                marks -= 1
                await session.commit([], [headers["ack"]])
            elif time.time() - float(headers.get(CREATED, 0)) > _OLD_MARK_SECONDS:
                await session.commit([], [headers["ack"]])  # who sent it was killed while looking
        return changed

    async def _next(self) -> tuple[Session, MessageFrame] | None:
        """What comes next; a broker that has stopped is sent on."""
        for _ in range(int(RECEIPT_SECONDS / _STALL_SECONDS)):
            try:
                async with asyncio.timeout(_STALL_SECONDS):
                    return await self._come.get()
            except TimeoutError:
                for session, kept in self._kept.items():
                    while kept:
                        acks = list(kept)[:_BATCH]
                        await session.commit([kept.pop(ack) for ack in acks], acks)
        raise StoreUnavailable("a STOMP broker has stopped telling its dead letters: try again")

    async def _settle(self, session: Session, headers: dict[str, str], body: bytes) -> int:
        """Decide on one letter; whether it was changed."""
        try:
            envelope = from_message(headers, body, time.time())
        except BadItem as error:
            envelope = unreadable(body, error, time.time())
        wanted = self._decide(envelope)
        if wanted is False:
            if not session.flavour.hands_out_all:
                self._kept[session][headers["ack"]] = Sending(self._destination, to_headers(envelope), body)
            return 0
        await session.commit([wanted] if isinstance(wanted, Sending) else [], [headers["ack"]])
        return 1

    def _mark_headers(self) -> dict[str, str]:
        return {_MARK: self._mark, CREATED: f"{time.time():.3f}", "persistent": "true"}

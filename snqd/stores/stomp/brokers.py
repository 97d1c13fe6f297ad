"""Several brokers: items are sent to one of them, the first of the address that answers, and heard from all.

Each broker is connected by itself, and again with a jittered back-off after its connection is lost; what was subscribed
is subscribed again. The store is unavailable when no broker is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from snqd.errors import StoreError, StoreUnavailable
from snqd.stores.stomp.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from stompman import MessageFrame

    from snqd.stores.stomp.location import Address

_LONGEST_PAUSE_SECONDS = 5.0


class Brokers:
    """`on_message` gets the session, the destination that was subscribed, and the message."""

    def __init__(
        self,
        addresses: tuple[Address, ...],
        *,
        heartbeat_seconds: float,
        prefetch: int,
        on_message: Callable[[Session, str, MessageFrame], None],
        on_lost: Callable[[Session], None],
    ) -> None:
        self._seats = [_Seat(address) for address in addresses]
        self._heartbeat_seconds = heartbeat_seconds
        self._prefetch = prefetch
        self._tell_message = on_message
        self._tell_lost = on_lost
        self._wanted: list[tuple[str, str]] = []
        """What is subscribed: destination and kind of ack; a subscription's id is its place here."""
        self._is_closing = False

    async def open(self) -> None:
        """Try every broker that is not connected, now. Raises the first one's error when none is there."""
        if self._is_closing:
            return
        found = await asyncio.gather(*(self._connect(seat) for seat in self._seats), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, StoreError):
                raise error
        if not self.alive():
            raise next(error for error in found if isinstance(error, StoreError))
        for seat in self._seats:
            if seat.session is None:
                self._keep(seat)

    async def close(self) -> None:
        self._is_closing = True
        keepers = [seat.keeper for seat in self._seats if seat.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self.alive()))

    def alive(self) -> list[Session]:
        """In the order of preference."""
        return [seat.session for seat in self._seats if seat.session is not None and seat.session.is_alive]

    def first(self) -> Session:
        """The one that items are sent to. Raises `StoreUnavailable`."""
        alive = self.alive()
        if not alive:
            raise StoreUnavailable(
                "no STOMP broker is there: " + "; ".join(f"{seat.address}: {seat.problem}" for seat in self._seats)
            )
        return alive[0]

    async def subscribe(self, destination: str, *, ack: str = "client-individual") -> None:
        """Listen there on every broker, now and whenever it comes back."""
        if any(destination == known for known, _ack in self._wanted):
            return
        self._wanted.append((destination, ack))
        number = len(self._wanted) - 1
        for session in self.alive():
            with contextlib.suppress(StoreUnavailable):  # it will be subscribed when that one is back
                await self._subscribe(session, number)

    async def _subscribe(self, session: Session, number: int) -> None:
        destination, ack = self._wanted[number]
        headers = session.flavour.subscribing(self._prefetch) if ack != "auto" else {}
        await session.subscribe(str(number), destination, headers, ack=ack)

    async def _connect(self, seat: _Seat) -> None:
        async with seat.lock:
            if seat.session is not None:
                return
            session = Session(
                seat.address,
                heartbeat_seconds=self._heartbeat_seconds,
                on_message=self._heard,
                on_lost=lambda session: self._lost(seat, session),
            )
            try:
                await session.open()
                seat.session = session
                for number in range(len(self._wanted)):
                    await self._subscribe(session, number)
            except StoreError as error:
                seat.problem = str(error)
                await session.close()
                raise

    def _heard(self, session: Session, message: MessageFrame) -> None:
        self._tell_message(session, self._wanted[int(message.headers["subscription"])][0], message)

    def _lost(self, seat: _Seat, session: Session) -> None:
        if seat.session is session:
            seat.session = None
            seat.problem = session.problem
        if not self._is_closing:
            self._keep(seat)
        self._tell_lost(session)

    def _keep(self, seat: _Seat) -> None:
        """Connect again, in the background."""
        if seat.keeper is None or seat.keeper.done():
            seat.keeper = asyncio.get_running_loop().create_task(self._reconnect(seat))

    async def _reconnect(self, seat: _Seat) -> None:
        pause = 0.2
        while seat.session is None:
            await asyncio.sleep(random.uniform(0.05, pause))
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
            with contextlib.suppress(StoreError):
                await self._connect(seat)


class _Seat:
    """The place of one broker."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.session: Session | None = None
        self.keeper: asyncio.Task[None] | None = None
        self.problem = "not connected yet"
        self.lock = asyncio.Lock()

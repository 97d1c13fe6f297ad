"""One connection to one broker: frames and parsing are stompman's, what is promised about them is ours.

stompman's own client connects again by itself, repeats what it had sent, and confirms no commit and no ack; a store has
to know exactly what the broker has taken. So this uses its connection and frames, and waits for receipts. It lives in
the loop of `LoopThread` and ends with its connection: there is no way back, `Brokers` makes another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stompman import (
    AbortFrame,
    AckFrame,
    BeginFrame,
    CommitFrame,
    ConnectedFrame,
    ConnectFrame,
    ConnectionLostError,
    DisconnectFrame,
    ErrorFrame,
    MessageFrame,
    ReceiptFrame,
    SendFrame,
    SubscribeFrame,
)
from stompman.connection import Connection

from snqd.errors import StoreError, StoreUnavailable
from snqd.stores.stomp.flavours import PLAIN, Flavour, flavour_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stompman import AnyClientFrame, AnyServerFrame

    from snqd.stores.stomp.location import Address

CONNECT_SECONDS = 10
RECEIPT_SECONDS = 30.0
"""A broker that has not confirmed after this time counts as lost."""
_READ_BYTES = 256 * 1024


class Sending(NamedTuple):
    """A message to be sent."""

    destination: str
    headers: dict[str, str]
    body: bytes
    is_scheduled: bool = False
    """ActiveMQ hands it to its scheduler a moment after the commit, so that it must be safe before an ack is sent."""


class Session:
    """`open` it. `on_message` is called for each message, `on_lost` once, when the connection is gone."""

    def __init__(
        self,
        address: Address,
        *,
        heartbeat_seconds: float,
        on_message: Callable[[Session, MessageFrame], None],
        on_lost: Callable[[Session], None],
    ) -> None:
        self.address = address
        self.flavour: Flavour = PLAIN
        self.problem = ""
        """Why it ended."""
        self._heartbeat_ms = int(heartbeat_seconds * 1000)
        self._on_message = on_message
        self._on_lost = on_lost
        self._connection: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._receipts: dict[str, asyncio.Future[None]] = {}
        self._numbers = count(1)

    @property
    def is_alive(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        """Raises `StoreUnavailable` or, when the broker does not let us in, `StoreError`."""
        address = self.address
        try:
            connection = await Connection.connect(
                host=address.host,
                port=address.port,
                timeout=CONNECT_SECONDS,
                read_max_chunk_size=_READ_BYTES,
                ssl=True if address.is_encrypted else None,
            )
        except OSError as error:
            raise StoreUnavailable(f"cannot connect to the STOMP broker {address}: {error}") from error
        if connection is None:
            raise StoreUnavailable(f"cannot connect to the STOMP broker {address}: nobody answers there")
        frames = connection.read_frames()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.write_frame(self._connect_frame())
                connected = await anext(frames)
        except (ConnectionLostError, TimeoutError) as error:
            await connection.close()
            raise StoreUnavailable(f"the STOMP broker {address} ended the connection, or said nothing") from error
        if not isinstance(connected, ConnectedFrame):
            await connection.close()
            said = _words(connected) if isinstance(connected, ErrorFrame) else "something else"
            raise StoreError(
                f"the STOMP broker {address} does not let user {address.user!r} into {address.vhost!r}: {said}"
            )
        self.flavour = flavour_of(connected.headers.get("server", ""))
        self._connection = connection
        sends, receives = _heartbeats(connected, self._heartbeat_ms)
        self._tasks = [asyncio.create_task(self._read(frames, connection))]
        if sends or receives:
            self._tasks.append(asyncio.create_task(self._beat(connection, sends, receives)))

    async def close(self) -> None:
        """Leave in peace: the broker has handled what was sent before."""
        if self._connection is not None:
            with contextlib.suppress(StoreUnavailable):
                receipt = self._receipt()
                await self._write(DisconnectFrame(headers={"receipt": receipt}))
                await self._confirmed([receipt])
            self._lose("closed")
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def subscribe(self, number: str, destination: str, headers: dict[str, str], *, ack: str) -> None:
        """`number` comes back with each message."""
        receipt = self._receipt()
        all_headers = {**headers, "id": number, "destination": destination, "ack": ack, "receipt": receipt}
        await self._write(SubscribeFrame(headers=cast("Any", all_headers)))
        await self._confirmed([receipt])

    async def send(self, sendings: Sequence[Sending]) -> None:
        """Returns when the broker has them on disk."""
        receipts = []
        for sending in sendings:
            receipts.append(self._receipt())
            await self._write(_send_frame(sending, receipt=receipts[-1]))
        await self._confirmed(receipts)

    async def tell(self, sending: Sending) -> None:
        """Send what may be lost."""
        await self._write(_send_frame(sending))

    async def commit(self, sendings: Sequence[Sending], acks: Sequence[str]) -> None:
        """Send and ack. Nothing is acked that is not sent; nothing is sent by half.

        One transaction where the broker has true ones. RabbitMQ carries out a transaction frame by frame, and a crash
        might keep an ack and not a message: there the acks wait until the messages are on disk.
        """
        scheduled = [sending for sending in sendings if sending.is_scheduled]
        if scheduled:
            await self.send(scheduled)
            sendings = [sending for sending in sendings if not sending.is_scheduled]
        if not sendings:
            await self._ack(acks)
            return
        transaction = f"t{next(self._numbers)}"
        within = {"transaction": transaction}
        receipts = [self._receipt()]
        await self._write(BeginFrame(headers={"transaction": transaction}))
        try:
            if self.flavour.is_atomic:
                for sending in sendings:
                    await self._write(_send_frame(sending, more=within))
                for ack in acks:
                    await self._write(AckFrame(headers=cast("Any", {"id": ack, **within})))
            else:
                for sending in sendings:
                    receipts.append(self._receipt())
                    await self._write(_send_frame(sending, receipt=receipts[-1], more=within))
        except BaseException:
            if self._connection is not None:
                await self._write(AbortFrame(headers={"transaction": transaction}))
            raise
        await self._write(CommitFrame(headers=cast("Any", {**within, "receipt": receipts[0]})))
        await self._confirmed(receipts)
        if acks and not self.flavour.is_atomic:
            await self._ack(acks)

    async def _ack(self, acks: Sequence[str]) -> None:
        """Frames are handled in their order, so that the receipt of the last one is that of all."""
        if not acks:
            return
        receipt = self._receipt()
        for ack in acks[:-1]:
            await self._write(AckFrame(headers=cast("Any", {"id": ack})))
        await self._write(AckFrame(headers=cast("Any", {"id": acks[-1], "receipt": receipt})))
        await self._confirmed([receipt])

    def _connect_frame(self) -> ConnectFrame:
        address = self.address
        return ConnectFrame(
            headers={
                "accept-version": "1.2",
                "host": address.vhost,
                "login": address.user,
                "passcode": address.password,
                "heart-beat": f"{self._heartbeat_ms},{self._heartbeat_ms}",
            }
        )

    def _receipt(self) -> str:
        receipt = f"r{next(self._numbers)}"
        self._receipts[receipt] = asyncio.get_running_loop().create_future()
        return receipt

    async def _confirmed(self, receipts: Sequence[str]) -> None:
        futures = [self._receipts[receipt] for receipt in receipts if receipt in self._receipts]
        try:
            async with asyncio.timeout(RECEIPT_SECONDS):
                for future in futures:
                    await future
        except TimeoutError:
            self._lose(f"no answer for {RECEIPT_SECONDS:g} s")
            raise self._unavailable() from None
        finally:
            for receipt in receipts:
                self._receipts.pop(receipt, None)

    async def _write(self, frame: AnyClientFrame) -> None:
        connection = self._connection
        if connection is None:
            raise self._unavailable()
        try:
            await connection.write_frame(frame)
        except ConnectionLostError as error:
            self._lose(str(error.reason))
            raise self._unavailable() from error

    async def _read(self, frames: Any, connection: Connection) -> None:
        try:
            async for frame in frames:
                self._handle(frame)
        except Exception as error:  # whatever it was: a connection that nobody reads must not look alive
            if self._connection is connection:
                self._lose(str(getattr(error, "reason", error)))

    def _handle(self, frame: AnyServerFrame) -> None:
        if isinstance(frame, MessageFrame):
            self._on_message(self, frame)
        elif isinstance(frame, ReceiptFrame):
            future = self._receipts.get(frame.headers["receipt-id"])
            if future is not None and not future.done():
                future.set_result(None)
        elif isinstance(frame, ErrorFrame):
            self._lose(_words(frame))  # what follows an error is not to be relied on

    async def _beat(self, connection: Connection, sends: float, receives: float) -> None:
        """Say that we are alive, and notice when the broker does not any more. Seconds; 0 = not agreed."""
        while self._connection is connection:
            await asyncio.sleep(min(each for each in (sends, receives) if each) / 2)
            if sends:
                with contextlib.suppress(ConnectionLostError):  # the reader notices it too
                    connection.write_heartbeat()
            heard = connection.last_read_time
            if receives and heard is not None and time.time() - heard > receives * 3:
                self._lose(f"nothing heard for {time.time() - heard:.0f} s")

    def _lose(self, problem: str) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self.problem = " ".join(problem.split())[:200] or "the connection was lost"
        connection.writer.transport.abort()
        for future in self._receipts.values():
            if not future.done():
                future.set_exception(self._unavailable())
                future.exception()  # who waited may have been cancelled: then nobody asks
        self._on_lost(self)

    def _unavailable(self) -> StoreUnavailable:
        return StoreUnavailable(f"the connection to the STOMP broker {self.address} is lost: {self.problem}")


def _send_frame(sending: Sending, *, receipt: str | None = None, more: dict[str, str] | None = None) -> SendFrame:
    headers = dict(sending.headers)
    headers["destination"] = sending.destination
    headers["content-length"] = str(len(sending.body))
    if receipt is not None:
        headers["receipt"] = receipt
    headers.update(more or {})
    return SendFrame(headers=cast("Any", headers), body=sending.body)


def _words(frame: ErrorFrame) -> str:
    """What a broker says of an error, on one line."""
    body = frame.body.decode(errors="replace").strip().partition("\n")[0]
    return f"{frame.headers.get('message', 'error')} ({body})" if body else frame.headers.get("message", "error")


def _heartbeats(connected: ConnectedFrame, wanted_ms: int) -> tuple[float, float]:
    """How often we send and how often we hear, in seconds, as STOMP 1.2 agrees on it."""
    sent, _, wants = connected.headers.get("heart-beat", "0,0").partition(",")
    server_sends, server_wants = int(sent or 0), int(wants or 0)
    return (
        max(wanted_ms, server_wants) / 1000 if wanted_ms and server_wants else 0.0,
        max(wanted_ms, server_sends) / 1000 if wanted_ms and server_sends else 0.0,
    )

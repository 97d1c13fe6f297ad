"""The HTTP ear: the pings of legacy daemons as POST requests (`monitor = "http://…"` there).

The original posts from inside its work loop and waits for the answer, so it gets one at once, without a body. Any path
will do. 204 = taken, 400 = no ping, 403 = not believed, 405 = not a POST, 408 = too slow, 413 = too large.

On asyncio with h11, which knows chunked bodies, `Expect: 100-continue` and where a request ends. `http.server` would
take a thread for each connection, wait for a slow one for ever, and keep a hundred header lines of 64 KiB. Connections
are bounded, altogether and for each address, and so is the time and the size of each request, however it trickles in.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import h11

from snqd.telemetry.ears import Believed, canonical
from snqd.telemetry.legacy import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.legacy import LegacySenders

CONNECTION_LIMIT: Final = 64
ADDRESS_LIMIT: Final = 16
"""Connections of one address at a time."""
HEAD_LIMIT: Final = 8192
"""Bytes of request line and headers."""
REQUEST_SECONDS: Final = 10.0
"""For one request, and for how long an idle connection is kept."""
_LINGER_SECONDS: Final = 1.0
_LINGER_BYTES: Final = 1024 * 1024


class HttpEar:
    """`open` it in a running loop; `close` it there too."""

    def __init__(
        self,
        address: tuple[str, int],
        senders: LegacySenders,
        believed: Believed | None = None,
        *,
        clock: Callable[[], float] = time.time,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._address = address
        self.senders = senders
        self._clock = clock
        self._seconds = request_seconds
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: Counter[str] = Counter()
        self.believed = believed or Believed()
        self.bound: tuple[str, int] | None = None
        """Where it listens, once it is open."""
        self.received = 0
        """Requests."""
        self.not_understood = 0
        self.turned_away = 0
        """Connections that were closed at once, because there were too many."""

    async def open(self) -> tuple[str, int]:
        """Listen; the address, with the port that was chosen when it was 0. Raises `OSError`."""
        host, port = self._address
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=HEAD_LIMIT, backlog=CONNECTION_LIMIT
        )
        host, port, *_ = self._server.sockets[0].getsockname()
        self.bound = (str(host), int(port))
        return self.bound

    async def close(self) -> None:
        """Stop listening, and cut off who is being served."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = canonical(writer.get_extra_info("peername", ("",))[0])
        if len(self._tasks) >= CONNECTION_LIMIT or self._connections[address] >= ADDRESS_LIMIT:
            self.turned_away += 1
            writer.transport.abort()
            return
        self._connections[address] += 1
        task = asyncio.get_running_loop().create_task(self._serve(_Talk(reader, writer), address), name="legacy http")
        self._tasks.add(task)

        def ended(_task: asyncio.Task[None]) -> None:  # also of a task that was cancelled before it began
            unsent = writer.transport.get_write_buffer_size()
            writer.transport.abort() if unsent else writer.close()  # who does not read would keep it open
            self._tasks.discard(task)
            self._connections -= Counter((address,))  # drops those that are 0

        task.add_done_callback(ended)

    async def _serve(self, talk: _Talk, address: str) -> None:
        """One connection, request after request, until it closes, is too slow or makes no sense."""
        with contextlib.suppress(OSError):
            while await self._request(talk, address):
                pass

    async def _request(self, talk: _Talk, address: str) -> bool:
        """Serve one request. Whether another one may follow."""
        try:
            async with asyncio.timeout(self._seconds):
                request = await talk.head()
                if request is None:
                    return False
                self.received += 1
                return await talk.answer(await self._status(talk, request, address))
        except TimeoutError:
            return await talk.give_up(408)
        except h11.RemoteProtocolError as error:
            self.not_understood += 1
            return await talk.give_up(error.error_status_hint)

    async def _status(self, talk: _Talk, request: h11.Request, address: str) -> int:
        body = await talk.body()
        if not self.believed.admits(address):
            return 403
        if request.method != b"POST":
            return 405
        if body is not None and self.senders.take(body, address, self._clock()):
            return 204
        self.not_understood += 1
        return 413 if body is None else 400


class _Talk:
    """One connection, as h11 sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)

    async def head(self) -> h11.Request | None:
        """The next request; None when there is none any more."""
        event = await self._next()
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> bytes | None:
        """The whole body; None when it is too large for a ping."""
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._next(), h11.Data):
            size += len(event.data)
            if size > BODY_LIMIT:
                return None
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def answer(self, status: int) -> bool:
        """Send an answer without a body. Whether the connection can be used again."""
        headers = [("Content-Length", "0")] if status != 204 else []
        headers += [("Allow", "POST")] if status == 405 else []
        headers += [("Connection", "close")] if self._http.their_state is not h11.DONE else []
        self._send(h11.Response(status_code=status, headers=headers))
        self._send(h11.EndOfMessage())
        await self._writer.drain()
        if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            await self._linger()
            return False
        self._http.start_next_cycle()
        return True

    async def give_up(self, status: int) -> bool:
        """Say why, if a request has begun and that can be said at once. False, as the connection is of no use now."""
        if self._http.states[h11.SERVER] is h11.SEND_RESPONSE or self._http.their_state is h11.ERROR:
            with contextlib.suppress(TimeoutError, h11.ProtocolError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self.answer(status)
        return False

    async def _linger(self) -> None:
        """Read a little of what was not read: closed now, the connection would be reset, and the answer lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                self._writer.write_eof()
                rest = _LINGER_BYTES
                while rest > 0 and (data := await self._reader.read(HEAD_LIMIT)):
                    rest -= len(data)

    def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(HEAD_LIMIT))
        return event

"""The control socket: a Unix socket of mode 0600 where commands on this host ask the hub.

A request is one line of JSON with `ask`, the answer is one line of JSON with `ok`. A connection may ask again. Whoever
may open the socket is the daemon's own user, or root.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.errors import SnqdError
from snqd.telemetry.asking import short_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

_LINE_LIMIT = 64 * 1024
_IDLE_SECONDS = 60.0

Answer = dict[str, Any]
Handler = "Callable[[Answer], Awaitable[Answer]]"


class Control:
    """Serves `handlers` by the name in `ask`. A handler raises `SnqdError` for a question it cannot answer."""

    def __init__(self, path: Path, handlers: Mapping[str, Callable[[Answer], Awaitable[Answer]]]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. Raises `OSError`. A socket file that is there already is an earlier hub's, and is replaced."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)  # the file is never open to others, not even for a moment
        try:
            with short_path(self._path) as name:
                listener.bind(name)
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LINE_LIMIT)

    async def stop(self) -> None:
        """Close everything. The file stays for the next hub to replace; the supervisor removes it at its end."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while line := await asyncio.wait_for(reader.readline(), _IDLE_SECONDS):
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # it said nothing for long, or a line without end, or has left
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line)
        except msgspec.MsgspecError as error:
            return {"ok": False, "error": f"not a line of JSON: {error}"}
        ask = request.get("ask") if isinstance(request, dict) else None
        handler = self._handlers.get(ask) if isinstance(ask, str) else None
        if handler is None:
            return {"ok": False, "error": f"ask is {ask!r}: it must be one of {', '.join(sorted(self._handlers))}"}
        try:
            return {"ok": True, **await handler(request)}
        except SnqdError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # one question must not take the hub down
            return {"ok": False, "error": f"unexpected {type(error).__name__}: {error}"}

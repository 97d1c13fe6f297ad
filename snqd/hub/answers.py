"""What the control socket answers from what the hub knows: health, why, stacks, and where the hub listens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.hub import requests
from snqd.hub.requests import read
from snqd.telemetry.board import Word
from snqd.telemetry.health import health
from snqd.telemetry.why import why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from snqd.hub.parts import HubParts
    from snqd.hub.requests import Request
    from snqd.hub.slots import Slots
    from snqd.telemetry.daemon_view import DaemonView

_STACK_SECONDS = 5.0


class Answers:
    """`see` gives the daemon as it is now; `listen` the address at which monitors subscribe, empty for none."""

    def __init__(self, parts: HubParts, slots: Slots, see: Callable[[], DaemonView], listen: Callable[[], str]) -> None:
        self._parts = parts
        self._slots = slots
        self._see = see
        self._listen = listen
        self.handlers: dict[str, Callable[[Request], Awaitable[Request]]] = {
            "health": self._health,
            "why": self._why,
            "stack": self._stack,
            "where": self._where,
        }

    async def _health(self, request: Request) -> Request:
        found = health(self._see(), read(request, requests.Health).kind, time.monotonic())
        return {"code": found.code, "line": str(found)}

    async def _why(self, request: Request) -> Request:
        asked = read(request, requests.Why)
        found = why(self._see(), asked.queue, asked.site, now=time.monotonic())
        return {"cause": str(found.cause), "sentence": found.sentence, "command": found.command}

    async def _stack(self, request: Request) -> Request:
        view = self._slots.of(read(request, requests.OfWorker).worker)
        worker, pid = self._slots.name(view.number), view.get(Word.PID)
        if not pid:
            raise SnqdError(f"worker {worker} has no process now")
        stacks = self._parts.channels.stacks
        stack = await asyncio.to_thread(stacks.take_stack, pid, view.number, seconds=_STACK_SECONDS)
        if not stack:
            raise SnqdError(f"worker {worker} (pid {pid}) does not answer: it has ended or is stopped")
        return {"worker": worker, "pid": pid, "stack": stack}

    async def _where(self, _request: Request) -> Request:
        return {"daemon": self._parts.daemon, "host": self._parts.host, "listen": self._listen()}

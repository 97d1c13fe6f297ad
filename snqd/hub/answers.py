"""What the control socket answers: health, why, stacks, and where the hub listens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError
from snqd.telemetry.board import Word
from snqd.telemetry.health import health
from snqd.telemetry.why import why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from snqd.hub.parts import HubParts
    from snqd.telemetry.daemon_view import DaemonView

Request = dict[str, Any]

_STACK_SECONDS = 5.0


class Answers:
    """`see` gives the daemon as it is now; `listen` the address at which monitors subscribe, empty for none."""

    def __init__(self, parts: HubParts, see: Callable[[], DaemonView], listen: Callable[[], str]) -> None:
        self._parts = parts
        self._see = see
        self._listen = listen
        self.handlers: dict[str, Callable[[Request], Awaitable[Request]]] = {
            "health": self._health,
            "why": self._why,
            "stack": self._stack,
            "where": self._where,
        }

    async def _health(self, request: Request) -> Request:
        kind = request.get("kind", "full")
        if kind not in ("live", "ready", "full"):
            raise SnqdError(f"kind is {kind!r}: it must be live, ready or full")
        found = health(self._see(), kind, time.monotonic())
        return {"code": found.code, "line": str(found)}

    async def _why(self, request: Request) -> Request:
        queue, site = request.get("queue"), request.get("site")
        if not isinstance(queue, str) or not isinstance(site, str | None):
            raise SnqdError("queue must be a name, and site a name or null")
        found = why(self._see(), queue, site, now=time.monotonic())
        return {"cause": str(found.cause), "sentence": found.sentence, "command": found.command}

    async def _stack(self, request: Request) -> Request:
        slot = self._slot(str(request.get("worker", "")))
        pid = self._parts.board.slot(slot).get(Word.PID)
        if not pid:
            raise SnqdError(f"worker {self._parts.daemon}.{slot} has no process now")
        stack = await asyncio.to_thread(self._parts.channels.stacks.take_stack, pid, slot, seconds=_STACK_SECONDS)
        if not stack:
            raise SnqdError(
                f"worker {self._parts.daemon}.{slot} (pid {pid}) does not answer: it has ended or is stopped"
            )
        return {"worker": f"{self._parts.daemon}.{slot}", "pid": pid, "stack": stack}

    async def _where(self, _request: Request) -> Request:
        return {"daemon": self._parts.daemon, "host": self._parts.host, "listen": self._listen()}

    def _slot(self, worker: str) -> int:
        slots = {view.number for view in self._parts.board.used()}
        number = worker.removeprefix(f"{self._parts.daemon}.")
        if number.isdecimal() and int(number) in slots:
            return int(number)
        known = ", ".join(f"{self._parts.daemon}.{slot}" for slot in sorted(slots)) or "none yet"
        raise SnqdError(f"there is no worker {worker!r}: the workers are {known}")

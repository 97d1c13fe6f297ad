"""`Control`: asks the daemons of this host over their control sockets. What may be asked is in `actions.py`.

A hub may take seconds to answer (a stack) or be stopped, so each question is asked in a thread; the loop goes on.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import TYPE_CHECKING, Any, Final

from snqd.errors import SnqdError
from snqd.telemetry.asking import ask_hub
from snqmon.feeds.finding import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqmon.feeds.finding import Found, Place

ANSWER_SECONDS: Final = 10.0
"""A stack takes its hub up to five; a thousand dead letters take a store a while."""
_AGAIN_SECONDS: Final = 5.0


class Control:
    """Of one monitor with `--control`; belongs to one loop."""

    def __init__(self, looking: Callable[[], Found] = look, *, seconds: float = ANSWER_SECONDS) -> None:
        self._look, self._seconds = looking, seconds
        self._places: dict[str, Place] = {}
        self._looked_at = -inf
        self._looking = asyncio.Lock()

    @property
    def daemons(self) -> frozenset[str]:
        """`name@host` of those that can be asked, as of the last `refresh`."""
        return frozenset(self._places)

    async def refresh(self) -> frozenset[str]:
        """Look again which daemons of this host can be asked, unless that was done a moment ago."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= _AGAIN_SECONDS:
                await self._look_again()
        return self.daemons

    async def ask(self, daemon: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of the daemon `name@host`. Raises `SnqdError` in words when it refuses, or cannot be asked.

        When its hub has been replaced meanwhile, the new one is asked.
        """
        place = self._places.get(daemon) or await self._found(daemon)
        try:
            return await self._asked(place, request)
        except (FileNotFoundError, ConnectionRefusedError):
            place = await self._found(daemon)  # of a daemon that was started again, in another folder
        except OSError as error:
            raise _unanswered(daemon, place, error, self._seconds) from error
        try:
            return await self._asked(place, request)
        except OSError as error:
            raise _unanswered(daemon, place, error, self._seconds) from error

    async def _asked(self, place: Place, request: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(ask_hub, place.socket, request, seconds=self._seconds)

    async def _found(self, daemon: str) -> Place:
        async with self._looking:
            await self._look_again()
        if daemon in self._places:
            return self._places[daemon]
        known = ", ".join(sorted(self._places)) or "none"
        raise SnqdError(
            f"daemon {daemon} has no control socket on this host that may be asked; those that have: {known}"
        )

    async def _look_again(self) -> None:
        found = await asyncio.to_thread(self._look)
        self._places = {place.key: place for place in found.places}
        self._looked_at = time.monotonic()


def _unanswered(daemon: str, place: Place, error: OSError, seconds: float) -> SnqdError:
    if isinstance(error, TimeoutError):
        return SnqdError(f"the hub of daemon {daemon} has not answered within {seconds:g} s: was it done? Look again")
    if isinstance(error, PermissionError):
        return SnqdError(f"{place.socket} belongs to another user: run snqmon as that user or as root")
    return SnqdError(f"the hub of daemon {daemon} cannot be asked at {place.socket}: {error.strerror or error}")

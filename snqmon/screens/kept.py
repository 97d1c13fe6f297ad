"""`KeptScreens`: screens that are opened and closed all day, made once and used again.

To make a screen takes longer than a key may. One that is closed for good leaves a megabyte in cycles, and Python's
garbage collector a tenth of a second to find them in. So the next one is there before somebody asks for it, and what
was closed waits for the next time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from textual.screen import Screen

if TYPE_CHECKING:
    from textual.app import App

S = TypeVar("S", bound=Screen[Any])

MOST_KEPT: Final = 3
"""Of a kind. Who opens more upon each other than that waits a little for each, and it is dropped when it is closed."""
_CALM_SECONDS: Final = 0.5
"""Before another one is made: what was asked for is drawn first."""


class KeptScreens:
    """Of one app. A screen that is taken has still what was shown in it before: who takes it says what it is about."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._kept: dict[type[Screen[Any]], list[Screen[Any]]] = {}

    async def take(self, kind: type[S]) -> S:
        """One that is mounted, and not open."""
        return self._spare(kind) or await self._make(kind)

    async def keep_spare(self, kind: type[S]) -> None:
        """Make one unless there is one that is not open, or enough of them."""
        if self._spare(kind) is None and len(self._kept.get(kind, ())) < MOST_KEPT:
            await self._make(kind)

    def keep_spare_soon(self, kind: type[S]) -> None:
        """As `keep_spare`, when the screen has come to rest."""

        async def keep() -> None:
            await asyncio.sleep(_CALM_SECONDS)
            await self.keep_spare(kind)

        self._app.run_worker(keep(), group="kept screens", exclusive=True)

    def _spare(self, kind: type[S]) -> S | None:
        opened = {screen for stack in self._app._screen_stacks.values() for screen in stack}
        return next((each for each in self._kept.get(kind, ()) if isinstance(each, kind) and each not in opened), None)

    async def _make(self, kind: type[S]) -> S:
        screen = kind()
        _screen, mounted = self._app._get_screen(screen)
        await mounted
        kept = self._kept.setdefault(kind, [])
        if len(kept) < MOST_KEPT:
            self._app.install_screen(screen, f"{kind.__name__}-{len(kept)}")  # Textual drops what is not installed
            kept.append(screen)
        return screen

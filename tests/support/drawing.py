"""How a test knows that a Textual app has drawn everything, at once and whatever else the machine does.

Textual's own tests take a process for idle that uses little processor time: that takes 20 ms for each key at the least,
and on a busy machine, where a process gets little, it is not so. What an app still has to do can be seen instead: its
messages, its callbacks, and what its screens have not drawn.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from textual.pilot import Pilot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.screen import Screen

_SECONDS = 10.0
_TURNS = 3
"""So many looks must find nothing: a task that has just been woken is in no queue."""


async def drawn(app: App[Any]) -> None:
    """Until there is nothing left to do, or the app ends. Timers and workers are not waited for."""
    async with asyncio.timeout(_SECONDS):
        calm = 0
        while calm < _TURNS:
            await Pilot(app)._wait_for_screen()
            if app._exit:
                return
            app.screen._on_timer_update()
            is_busy = (
                app._batch_count
                or _is_dirty(app.screen)
                or any(screen._dirty_widgets for screen in app._background_screens)  # behind a dialog
                or any(map(_has_messages, [app, *app._registry]))
            )
            calm = 0 if is_busy else calm + 1
            await asyncio.sleep(0.001 if is_busy else 0)  # timers end batches, and draw what is behind


def _has_messages(pump: MessagePump) -> bool:
    return pump.is_running and bool(pump.message_queue_size or pump._next_callbacks)


def _is_dirty(screen: Screen[Any]) -> bool:
    is_old = screen._layout_required or screen._scroll_required or screen._repaint_required
    return bool(is_old or screen._dirty_widgets or screen._callbacks)


@contextmanager
def quick_pilot(app: App[Any]) -> Iterator[None]:
    """Keys and clicks of a `Pilot` wait as `drawn` does."""

    async def until_drawn(*_seconds: float) -> None:
        await drawn(app)

    with patch("textual.app.wait_for_idle", until_drawn), patch("textual.pilot.wait_for_idle", until_drawn):
        yield

"""`Pump`: turns a feed in an event loop, as often as it asks for it, and no oftener than a screen can make use of.

A feed that fails is not the end of the monitor: the error is said once, and the feed is turned again after a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from snqmon.feeds.base import Feed

GATHER_SECONDS: Final = 0.03
"""From the first datagram until they are taken: a burst wakes the monitor once."""
BREATH_SECONDS: Final = 0.005
"""Between two turns while more waits than one can take: keys and the screen have their turn."""
FAILURE_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0


class Pump:
    """Begins at `start`, in the loop that is running."""

    def __init__(
        self, feed: Feed, on_failure: Callable[[Exception], None], *, on_turned: Callable[[], None] = lambda: None
    ) -> None:
        """`on_turned` is called after each turn: something may have come."""
        self._feed = feed
        self._on_failure, self._on_turned = on_failure, on_turned
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor = -1
        self._timer: asyncio.TimerHandle | None = None
        self._is_watching = False
        self.turns = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._descriptor = self._feed.fileno()
        self._turn()

    def stop(self) -> None:
        """The feed is not turned any more, and not closed either."""
        self._watch(is_wanted=False)
        if self._timer is not None:
            self._timer.cancel()
        self._loop = None

    def turn_now(self) -> None:
        """Somebody has changed what the feed should do: a recording was paused, or goes on elsewhere."""
        if self._loop is not None:
            self._turn()

    def _turn(self) -> None:
        if self._loop is None:
            return
        self.turns += 1
        try:
            seconds = self._feed.turn()
            self._on_turned()
        except Exception as error:  # the screen stays, whatever a feed meets
            self._on_failure(error)
            self._watch(is_wanted=False)
            self._turn_in(FAILURE_SECONDS)
            return
        self._watch(is_wanted=seconds > 0)
        self._turn_in(min(_LONGEST_SECONDS, max(BREATH_SECONDS, seconds)))

    def _turn_in(self, seconds: float) -> None:
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._turn)

    def _heard(self) -> None:
        # Not watched until the turn: the descriptor stays readable, and would wake the loop without end.
        self._watch(is_wanted=False)
        self._turn_in(GATHER_SECONDS)

    def _watch(self, *, is_wanted: bool) -> None:
        if self._loop is None or self._descriptor < 0 or is_wanted == self._is_watching:
            return
        self._is_watching = is_wanted
        if is_wanted:
            self._loop.add_reader(self._descriptor, self._heard)
        else:
            self._loop.remove_reader(self._descriptor)

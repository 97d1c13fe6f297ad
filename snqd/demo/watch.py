"""The demonstration's eyes: it subscribes at the daemon's hub, as a monitor anywhere would."""

from __future__ import annotations

import contextlib
import select
import time
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.telemetry.asking import ask_hub
from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.telemetry.daemon_view import DaemonView

_FRAMES_PER_SECOND = 4.0
_ASK_SECONDS = 1.0
_SILENCE_SECONDS = 3.0
_BLINK_SECONDS = 0.25


class Watch:
    """`look` from time to time. Finds the hub through its control socket, again when it is replaced."""

    def __init__(self, control_socket: Path) -> None:
        self._control = control_socket
        self._fleet = Fleet()
        self._feed: Feed | None = None
        self._feed_since = 0.0

    @property
    def view(self) -> DaemonView | None:
        """What is known of the daemon; None before anything was heard."""
        return next(iter(self._fleet.daemons.values()), None)

    def look(self, seconds: float) -> None:
        """Listen for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            feed = self._found()
            if feed is None:
                time.sleep(min(left, _BLINK_SECONDS))
                continue
            select.select([feed], [], [], min(left, feed.turn()))
        if self._feed is not None:
            self._feed.turn()

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()

    def _found(self) -> Feed | None:
        now = time.monotonic()
        if self._feed is not None and now - self._feed_since > _SILENCE_SECONDS:
            (source,) = self._feed.sources(now)
            if now - source.last_heard > _SILENCE_SECONDS:
                self._feed.close()
                self._feed = None
        if self._feed is None:
            with contextlib.suppress(SnqdError, OSError):  # the hub is not there yet, or is being replaced
                listen = ask_hub(self._control, {"ask": "where"}, seconds=_ASK_SECONDS)["listen"]
                self._feed = Feed([listen], fleet=self._fleet, frames_per_second=_FRAMES_PER_SECOND)
                self._feed_since = now
        return self._feed

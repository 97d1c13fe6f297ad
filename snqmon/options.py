"""`Options`: what one run of the monitor is started with, when command line, environment and file are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqmon.feeds.base import Feed
    from snqmon.settings import Settings

FASTEST_SECONDS: Final = 0.25
"""The shortest interval at which a screen is drawn anew, however many datagrams come."""
SLOWEST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """For `snqmon.app.Monitor`."""

    open_feed: Callable[[], Feed]
    """Makes the feed, in the thread and the loop that will drive it. Called once. Raises `SnqdError` in words that may
    be shown, which is the end of the run: every later trouble is in the feed's status. Whether it is a recording
    shows in it: `isinstance(feed, Player)`.
    """
    settings: Settings
    """Thresholds and keys of the monitor's file."""
    may_control: bool = False
    """`--control`: actions may be asked of the daemons on this host (`snqmon.control.Control`). Without it they are
    shown, but dim.
    """
    sockets: tuple[Path, ...] = ()
    """Control sockets that were named; empty = those that are where they usually are."""
    theme: str = ""
    """The name of a theme; empty = the default one. The app says which there are when it is none of them."""
    refresh_seconds: float = 1.0
    """`FASTEST_SECONDS` to `SLOWEST_SECONDS`."""
    is_ascii: bool = False
    """Draw with ASCII only: the terminal has no more."""

"""`Feed`: what every source of facts is to the rest of the monitor, and `FeedStatus`: how far it can be trusted."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.feed import Source
    from snqd.telemetry.fleet import Fleet


class Trust(StrEnum):
    """The word in the corner of the screen."""

    WAITING = "WAITING"
    """Nothing has come yet: `FeedStatus.advice` says what to set."""
    LIVE = "LIVE"
    PARTLY = "PARTLY LIVE"
    """Some hubs are heard, others are not."""
    STALE = "STALE"
    """What is shown was true once: nothing has come for a while. Ages go on counting."""
    PAUSED = "PAUSED"
    """A recording that stands still."""
    REPLAY = "REPLAY"
    ENDED = "ENDED"
    """A recording at its end."""
    DEMO = "DEMO"


class FeedStatus(NamedTuple):
    """How it stands with a feed at one moment."""

    trust: Trust
    age_seconds: float | None
    """Of the newest datagram; None = none has come."""
    words: str
    """One line: `LIVE 0.4s`, `STALE 47s`, `REPLAY 2x 00:03:10 of 00:15:00`."""
    advice: tuple[str, ...]
    """What a person can do about it, one line each; empty while all is well. While nothing has come, this fills the
    screen: where we listen, for how long, and the line of configuration that is missing; or the wrong key, or the other
    version of the wire."""
    sources: tuple[Source, ...]
    """Every hub and sender, with its state in words."""


class Feed(Protocol):
    """Driven by whoever has the loop: call `turn` when it asked to be called, and when `fileno` is readable."""

    @property
    def fleet(self) -> Fleet:
        """What it folds into: the same object for the feed's whole life, except that `seek` of a recording makes a
        new one."""

    def fileno(self) -> int:
        """To be watched for reading, the same for the feed's whole life; -1 = there is none."""

    def turn(self) -> float:
        """Take what is due and fold it: bounded work, so that a screen stays alive. Seconds until the next call."""

    def now(self) -> float:
        """The present by the clock that `fleet` is folded with. Stands still while a recording is paused."""

    def wall(self) -> float:
        """The present in epoch seconds, as it is shown: of a recording the time that it shows."""

    def watch(self, observe: Callable[[], None]) -> None:
        """Have `observe` called inside of `turn` wherever the present leaps: while a recording is sought in or played
        fast, and while a scene's past is made. So the courses of figures have what lies between two screens, too. A
        live feed never calls it. One observer; it must not touch the feed.
        """

    def status(self) -> FeedStatus: ...

    def change_pace(self, frames_per_second: float) -> None:
        """The screen is drawn so often: more datagrams are not needed."""

    def close(self) -> None: ...


@runtime_checkable
class Player(Protocol):
    """What a recording can do besides: the feed of `--replay` is both, and no other feed is a `Player`."""

    @property
    def is_paused(self) -> bool: ...

    @property
    def speed(self) -> float: ...

    @property
    def position(self) -> float:
        """Seconds from the begin of the recording."""

    @property
    def aim(self) -> float:
        """Where it is on its way to, in seconds from the begin; without a seek, its position."""

    @property
    def length(self) -> float:
        """Seconds."""

    @property
    def is_seeking(self) -> bool:
        """Whether it is on its way to the moment of the last `seek`: `position` and `fleet` are those on the way."""

    def pause(self, *, is_paused: bool) -> None: ...

    def change_speed(self, speed: float) -> None:
        """0.25 to 64."""

    def seek(self, seconds: float) -> None:
        """To a moment from the begin: what came before is folded anew, as fast as it goes."""

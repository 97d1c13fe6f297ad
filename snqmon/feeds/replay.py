"""`ReplayFeed`: a recording through the same screens, with pause, speed and seek.

Its clock is that of the recording: epoch seconds, which go on `speed` times as fast as ours, stand still in a pause,
and never go back but by `seek`. Going to a moment folds what came before it; going back begins at a checkpoint, or at
the begin, with a new fleet. Either way it is the state that folding everything from the begin makes, and it is made in
turns of a few hundredths of a second.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry.feed import Source
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.subscription import Trouble
from snqd.telemetry.tape import Tape
from snqd.telemetry.wire import Refused, unpack
from snqd.telemetry.words import plural
from snqmon.feeds.base import FeedStatus, Trust
from snqmon.feeds.checkpoints import Checkpoints, Folded
from snqmon.feeds.courses import PAST_SECONDS, Leap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snqd.telemetry.tape import Played

SLOWEST: Final = 0.25
FASTEST: Final = 64.0
LONGEST_GAP_SECONDS: Final = 60.0
"""Where nothing was recorded for longer (nobody recorded), the rest is passed over."""
_TURN_SECONDS: Final = 0.04
_LONGEST_STEP: Final = 1.0
"""Of our clock: a program that was stopped goes on where it was."""
_LOOK_SECONDS: Final = 1.0
_LOOKED_AT_CLOCK_EVERY: Final = 16  # datagrams


class ReplayFeed:
    """Implements `Feed` and `Player`. Raises `SnqdError` when there is no recording at `path`."""

    def __init__(self, path: Path, *, key: bytes | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._key, self._clock = path, key, clock
        self._tape = Tape(path)
        self._observe: Callable[[], None] = _nothing
        self._checkpoints = Checkpoints()
        self._turned_at = clock()
        self._looked_at = self._turned_at
        self._speed = 1.0
        self._is_paused = False
        self._target: float | None = None  # of a seek that is under way
        self._leap = Leap(self._tape.begin)
        self._resume(Folded(self._tape.begin, self._tape.start, Fleet(), 0, 0))

    @property
    def fleet(self) -> Fleet:
        return self._fleet

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def is_seeking(self) -> bool:
        return self._target is not None

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def position(self) -> float:
        return max(0.0, self._now - self._tape.begin)

    @property
    def aim(self) -> float:
        return self.position if self._target is None else self._target - self._tape.begin

    @property
    def length(self) -> float:
        return max(0.0, self._tape.end - self._tape.begin)

    def fileno(self) -> int:
        return -1

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def watch(self, observe: Callable[[], None]) -> None:
        self._observe = observe

    def turn(self) -> float:
        now = self._clock()
        passed, self._turned_at = min(max(0.0, now - self._turned_at), _LONGEST_STEP), now
        if now >= self._looked_at + _LOOK_SECONDS:
            self._looked_at = now
            self._tape.look()
        if self._target is not None:
            return self._seek_on(self._target)
        if self._is_paused:
            return _LOOK_SECONDS
        return self._play_on(passed * self._speed)

    def pause(self, *, is_paused: bool) -> None:
        self._is_paused = is_paused

    def change_speed(self, speed: float) -> None:
        self._speed = min(FASTEST, max(SLOWEST, speed))

    def seek(self, seconds: float) -> None:
        target = self._tape.begin + min(max(0.0, seconds), self.length)
        past = self._checkpoints.before(target - PAST_SECONDS, self._tape.start)
        if target < self._now or (past is not None and past.at > self._now):
            self._resume(past or Folded(self._tape.begin, self._tape.start, Fleet(), 0, 0))
        self._target = target
        self._leap = Leap(target)

    def change_pace(self, frames_per_second: float) -> None:
        """What was recorded has its own pace."""

    def status(self) -> FeedStatus:
        age = None if self._last == -inf else max(0.0, self._now - self._last)
        trust = self._trust()
        source = Source(
            str(self._path), self._words(trust), trust is Trust.REPLAY, self._tape.begin, self._last, self._taken,
            self._refused, Trouble.NONE
        )  # fmt: skip
        return FeedStatus(trust, age, self._words(trust), tuple(self._advice()), (source,))

    def close(self) -> None:
        self._tape.close()

    def _resume(self, folded: Folded) -> None:
        """Go on from what was folded, in a fleet of its own."""
        self._now, self._place, self._fleet, self._refused, self._taken = folded
        self._last = self._now if self._taken else -inf
        self._records = self._tape.read(self._place)
        self._next: Played | None = None

    def _seek_on(self, target: float) -> float:
        if not self._fold_until(target):
            return 0.0
        self._now, self._target = max(self._now, target), None
        return 0.0

    def _play_on(self, seconds: float) -> float:
        """Let the recording's time pass."""
        target = self._now + seconds
        self._leap = Leap(target, is_play=True)
        if not self._fold_until(target):
            return 0.0  # as fast as it goes, which is slower than was asked
        following = self._peek()
        if following is None:
            self._now = max(self._now, min(target, self._tape.end))
            return _LOOK_SECONDS / 4
        self._now = max(self._now, target)
        if following.at - self._now > LONGEST_GAP_SECONDS and self._now - self._last >= LONGEST_GAP_SECONDS:
            self._now = following.at
        return min(max(0.0, following.at - self._now) / self._speed, 0.25)

    def _fold_until(self, target: float) -> bool:
        """Fold what was recorded up to a moment. False = there is more, and the turn is over."""
        until = self._clock() + _TURN_SECONDS
        count = 0
        while (record := self._peek()) is not None and record.at <= target:
            self._fold(record)
            count += 1
            if count % _LOOKED_AT_CLOCK_EVERY == 0 and self._clock() > until:
                return False
        return True

    def _peek(self) -> Played | None:
        """The next record, if there is one by now."""
        if self._next is None:
            self._next = next(self._records, None)
            if self._next is None:
                self._records = self._tape.read(self._place)
        return self._next

    def _fold(self, record: Played) -> None:
        if self._leap.is_due(self._now, record.at):
            self._observe()
        self._next, self._place = None, record.place
        self._now = self._last = max(self._now, record.at)
        self._taken += 1
        datagram = unpack(record.data, self._key)
        if isinstance(datagram, Refused):
            self._refused += 1
        else:
            self._fleet.apply(datagram, source=str(self._path), now=self._now)
        if self._checkpoints.passed(len(record.data)):
            self._checkpoints.keep(Folded(self._now, self._place, self._fleet, self._refused, self._taken))

    def _trust(self) -> Trust:
        if self._target is not None:
            return Trust.REPLAY
        if self._is_paused:
            return Trust.PAUSED
        return Trust.ENDED if self._next is None and self._now >= self._tape.end else Trust.REPLAY

    def _words(self, trust: Trust) -> str:
        place = f"{_clock_words(self.position)} of {_clock_words(self.length)}"
        if self._target is not None:
            return f"SEEKING {_clock_words(self._target - self._tape.begin)}, now at {place}"
        return f"{trust} {self._speed:g}x {place}" if trust is Trust.REPLAY else f"{trust} {place}"

    def _advice(self) -> Iterator[str]:
        if not self._tape.begin:
            yield f"Nothing has been recorded in {self._path} yet: what comes is played when it is there."
        if self._refused:
            yield (
                f"{plural(self._refused, 'datagram')} of {self._taken:,} in {self._path} could not be read: "
                + (
                    "is --key-file the key that they were recorded with?"
                    if self._key
                    else "give their key: --key-file FILE."
                )
            )


def _clock_words(seconds: float) -> str:
    """`00:03:10`, of a day and more `27:03:10`."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _nothing() -> None: ...

"""`SceneFeed`: `--demo`. Daemons that were never started tell facts in real datagrams, which are folded like any other.

It is endless, and the same for equal seeds: what it shows at a virtual second depends on seed and second alone. Virtual
second 0 is when it is opened, and a quarter of an hour lies before it, so that every course is full.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry.alarms import Alarms
from snqd.telemetry.feed import Source
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.rules import AlarmRules, QueueRules
from snqd.telemetry.subscription import Trouble
from snqd.telemetry.wire import Datagram, Header, encode_fact, fill, pack, unpack
from snqmon.feeds.base import FeedStatus, Trust
from snqmon.feeds.courses import PAST_SECONDS, ROUGH, Leap
from snqmon.feeds.scene_cast import SHOPS
from snqmon.feeds.scene_daemon import SceneDaemon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.telemetry.recording import Recorder
    from snqmon.feeds.scene_cast import DaemonCast

_TURN_SECONDS: Final = 0.1
_LONGEST_STEP: Final = 2.0
"""Of our clock: a program that was stopped goes on where it was."""
_ADDRESS: Final = "demo"


class _Stage:
    """One daemon, its alarms, and the numbers of its datagrams."""

    def __init__(self, cast: DaemonCast, seed: int, *, epoch: float, first: int) -> None:
        self.daemon = SceneDaemon(cast, seed, epoch=epoch, first=first)
        self.key = f"{cast.name}@{cast.host}"
        own = {queue.name: QueueRules(lag_seconds=queue.lag_alarm_seconds) for queue in cast.queues}
        self._alarms = Alarms(AlarmRules(queues=own))
        self._raised: dict[tuple[str, str], float] = {}
        self._sequence = 0
        boot = round(self.daemon.started * 1e6)
        self._header = Header(cast.name, cast.host, boot, boot, 0, 0.0)

    def frame(self, at: float) -> list[bytes]:
        """All that the daemon would tell now."""
        facts = [*self.daemon.facts(), *self._alarms.facts(), *self.daemon.take_events()]
        base = self._header
        datagrams = []
        for group in fill(map(encode_fact, facts)):
            self._sequence += 1
            header = Header(base.daemon, base.host, base.boot, base.sender, self._sequence, at)
            datagrams.append(pack(header, group, None))
        return datagrams

    def judge(self, fleet: Fleet, at: float) -> None:
        """Raise and clear alarms by the rules of every hub; they are told with the next frame."""
        for fact in self._alarms.judge(fleet.daemons[self.key], at):
            key = (fact.name, fact.subject)
            self.daemon.tell_alarm(fact, self._raised.get(key, at))
            self._raised[key] = at


class SceneFeed:
    """Implements `Feed`."""

    def __init__(
        self,
        seed: int = 1,
        *,
        casts: Sequence[DaemonCast] = (SHOPS,),
        epoch: float | None = None,
        past_seconds: int = int(PAST_SECONDS),
        clock: Callable[[], float] = time.monotonic,
        recorder: Recorder | None = None,
    ) -> None:
        """`epoch`: what virtual second 0 is in epoch seconds; None = now. `clock` drives it, unless `go_to` does."""
        self.seed = seed
        self._clock, self._recorder = clock, recorder
        self._epoch = float(round(time.time() if epoch is None else epoch))
        self._fleet = Fleet()
        self._tick = -past_seconds - 1
        self._stages = [_Stage(cast, seed, epoch=self._epoch, first=-past_seconds) for cast in casts]
        self._observe: Callable[[], None] = _nothing
        self._leap = Leap(self._epoch, steps=ROUGH)
        self._now = float(-past_seconds)
        self._turned_at: float | None = None
        self._datagrams = 0

    @property
    def fleet(self) -> Fleet:
        return self._fleet

    @property
    def is_begun(self) -> bool:
        """Whether the past has been made, and time passes as it does here."""
        return self._tick >= 0

    def fileno(self) -> int:
        return -1

    def now(self) -> float:
        return self._epoch + self._now

    def wall(self) -> float:
        return self._epoch + self._now

    def watch(self, observe: Callable[[], None]) -> None:
        self._observe = observe

    def turn(self) -> float:
        if not self.is_begun:
            self._make_past(until=self._clock() + _TURN_SECONDS)
            self._turned_at = self._clock()
            return 0.0
        now = self._clock()
        passed = 0.0 if self._turned_at is None else min(max(0.0, now - self._turned_at), _LONGEST_STEP)
        self._turned_at = now
        self._play_to(self._now + passed)
        return self._tick + 1 - self._now

    def go_to(self, second: float) -> None:
        """To a virtual second, 0 or more, at once and however long it takes: for tests, pictures and benchmarks."""
        self._make_past(until=inf)
        while self._tick + 1 <= second:
            self._play_to(float(self._tick + 1))
            self._observe()
        self._play_to(second)

    def status(self) -> FeedStatus:
        words = f"{Trust.DEMO} seed {self.seed}, made-up figures"
        last = self._epoch + self._tick
        trouble = Trouble.NONE if self.is_begun else Trouble.ASKING
        source = Source(_ADDRESS, words, self.is_begun, self._epoch, last, self._datagrams, 0, trouble)
        return FeedStatus(Trust.DEMO, max(0.0, self._now - self._tick), words, (), (source,))

    def change_pace(self, frames_per_second: float) -> None:
        """A scene has one frame a second."""

    def close(self) -> None:
        if self._recorder is not None:
            self._recorder.close()

    def _make_past(self, *, until: float) -> None:
        """Play up to second 0, and tell only what a course will show."""
        while self._tick < 0:
            self._play()
            if self._leap.is_due(self.now(), self.now() + 1.0) or self._tick == 0:
                self._tell()
                self._observe()
            if self._clock() > until:
                return

    def _play_to(self, target: float) -> None:
        while self._tick + 1 <= target:
            self._play()
            self._tell()
        self._now = target

    def _play(self) -> None:
        self._tick += 1
        self._now = float(self._tick)
        for stage in self._stages:
            stage.daemon.play()

    def _tell(self) -> None:
        at = self.now()
        for stage in self._stages:
            for data in stage.frame(at):
                if self._recorder is not None:
                    self._recorder.write(at, data)
                datagram = unpack(data, None)
                assert isinstance(datagram, Datagram)
                self._fleet.apply(datagram, source=_ADDRESS, now=at)
                self._datagrams += 1
            stage.judge(self._fleet, at)


def _nothing() -> None: ...

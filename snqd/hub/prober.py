"""The probing thread: asks the store for lag, depth, health and schedules, and sends canaries.

It is the hub's only thread and the only one that waits for the store; the hub looks at `seen` and never waits for it.
How often what is asked is decided by `snqd.stores.probe_pace`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.stores.probe_pace import ProbePace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.hub.flows import Key
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import Probe, QueueLag, ScheduleState, SiteDepth, StoreHealth
    from snqd.stores.probe_pace import Question

_RETRY_LIMIT_SECONDS = 5.0
_SCHEDULED = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store said last. Times in epoch seconds."""

    lags: tuple[QueueLag, ...] = ()
    lags_at: float = 0.0
    pauses: tuple[Pause, ...] = ()
    """Those that hold and those that ended lately; asked for together with the lags."""
    depths: tuple[SiteDepth, ...] = ()
    depths_at: float = 0.0
    left: Mapping[Key, int] = field(default_factory=dict)
    """What had left the store by this daemon's doing, per flow, as known just before `depths` was asked."""
    health: StoreHealth | None = None
    schedules: tuple[ScheduleState, ...] = ()
    schedules_at: float = 0.0
    is_connected: bool = False
    problem: str = ""
    since: float = field(default_factory=time.time)
    """When `is_connected` last changed."""
    probe_seconds: float = 0.0
    """Spent in answers, since the thread began."""


class Prober(threading.Thread):
    """`start` it after the fork. `seen` is replaced as a whole; reading it needs no lock."""

    def __init__(
        self, open_probe: Callable[[], Probe], *, every_seconds: float, left: Callable[[], Mapping[Key, int]]
    ) -> None:
        super().__init__(name="probe", daemon=True)
        self._open = open_probe
        self._left = left
        self._pace = ProbePace(every_seconds)
        self._probe: Probe | None = None
        self._errands: deque[Callable[[Probe], None]] = deque()
        self._wake = threading.Event()
        self._is_over = False
        self._hurries = False
        self._failures = 0
        self.seen = Seen()
        self.is_idle = False
        """Set by the hub: nothing has moved lately."""

    def submit(self, errand: Callable[[Probe], None]) -> None:
        """Run `errand` in the thread, soon. What it raises as a `SnqdError` counts as the store's failure."""
        self._errands.append(errand)
        self._wake.set()

    def ask_now(self) -> None:
        """Something began to move, or was paused: the next look is due."""
        self._hurries = True
        self._wake.set()

    def end(self) -> None:
        """Let the thread end when its present question is answered; does not wait."""
        self._is_over = True
        self._wake.set()

    def run(self) -> None:
        while not self._is_over:
            try:
                self._turn()
            except SnqdError as error:
                self._failed(str(error))
            except Exception as error:  # a driver's surprise must not end the probing for good
                self._failed(f"{type(error).__name__}: {error}")
            self._wake.wait(self._pace.next(time.monotonic()).in_seconds)
            self._wake.clear()
            if self._hurries:
                self._hurries = False
                self._pace.hurry()
        self._close()

    def _turn(self) -> None:
        if self._probe is None:
            self._probe = self._open()
        probe = self._probe
        while self._errands:
            self._errands.popleft()(probe)
        while (turn := self._pace.next(time.monotonic())).in_seconds <= 0:
            self._ask(turn.question, probe)
        if not self.seen.is_connected:
            self.seen = replace(self.seen, is_connected=True, problem="", since=time.time())
        self._failures = 0

    def _ask(self, question: Question, probe: Probe) -> None:
        left = self._left()
        began, kept = time.monotonic(), _kept_seconds()
        match question:
            case "lags":
                pauses, lags = tuple(probe.pauses()), tuple(probe.lags())
                found = replace(self.seen, pauses=pauses, lags=lags, lags_at=time.time())
            case "depths":
                found = replace(self.seen, depths=tuple(probe.depths()), depths_at=time.time(), left=left)
            case "health":
                found = replace(self.seen, health=probe.health())
            case _:
                found = replace(self.seen, schedules=tuple(probe.schedules()), schedules_at=time.time())
        ended = time.monotonic()
        self._pace.asked(question, began, ended, kept_seconds=_kept_seconds() - kept, is_idle=self.is_idle)
        self.seen = replace(found, probe_seconds=found.probe_seconds + ended - began)

    def _failed(self, problem: str) -> None:
        """Say so, and try again after a pause that grows."""
        if self.seen.is_connected or not self.seen.problem:
            self.seen = replace(self.seen, since=time.time())
        self.seen = replace(self.seen, is_connected=False, problem=problem)
        self._close()
        self._errands.clear()
        self._failures += 1
        again = time.monotonic() + min(0.5 * 2.0 ** min(self._failures, 10), _RETRY_LIMIT_SECONDS)
        self._pace.hold(again)

    def _close(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            with contextlib.suppress(Exception):
                probe.close()


def _kept_seconds() -> float:
    """How long this thread has waited for a processor in its life; 0.0 where the kernel does not count it.

    The file is `RUNNING WAITING TIMES`, in nanoseconds: Documentation/scheduler/sched-stats.rst of Linux.
    """
    try:
        return int(_SCHEDULED.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0

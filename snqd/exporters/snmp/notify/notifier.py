"""Brings notifications onto the agent's loop: what it is fed, a clock, the roads to the targets, and what is kept.

Nothing here waits: names are looked up in a thread, and what the network does not take is tried again or counted.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snqd.exporters.snmp.notify import definitions, kept, occasions
from snqd.exporters.snmp.notify.limit import Limit
from snqd.exporters.snmp.notify.occasions import Occasion
from snqd.exporters.snmp.notify.road import Road
from snqd.exporters.snmp.notify.target import Counts, Notification, Target
from snqd.exporters.snmp.notify.ways import ByCommunity, ByOurEngine, ByTheirEngine
from snqd.telemetry.facts import EventFact

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.counters import Counters
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.notify.occasions import Kind
    from snqd.exporters.snmp.notify.ways import Way
    from snqd.exporters.snmp.settings import AgentSettings, TargetSettings
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.wire import Datagram

GATHERING_SECONDS: Final = 1.0
"""An agent that begins is told the latest events in no order: they are put in order before the first is told of."""
SETTLING_SECONDS: Final = 3.0
"""So long after everything was told, what is not told is gone."""
_TICK_SECONDS: Final = 1.0
_START_WORDS: Final[dict[Kind, str]] = {"cold_start": "the agent begins", "warm_start": "the agent begins again"}


class Notifier:
    """`say` tells the hub of a problem, in one line. `clock` must not go back; the agent began at `began` by it."""

    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        counters: Counters,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        began: float,
    ) -> None:
        self._path = Path(settings.kept_file)
        self._counters = counters
        self._say = say
        self._clock = clock
        self._began = began
        self._tells_from = began + GATHERING_SECONDS
        self.state = kept.load(self._path, settings.boot)
        self._limit = Limit(settings.notifications_per_minute)
        self.state.counts = {each.name: self.state.counts.get(each.name, Counts()) for each in settings.targets}
        self.roads = [self._road(each, identity) for each in settings.targets]
        self._gathered: list[EventFact] = []
        self._sender = 0
        self._view: DaemonView | None = None
        self._complete_since: float | None = None
        self._pending: dict[tuple[Any, ...], Kind] = {}
        """Alarms whose state could not be told yet."""
        self._told_problems: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_changed = True
        state = self.state
        is_same = (state.boot, state.configuration) == (settings.boot, settings.configuration)
        state.boot, state.configuration = settings.boot, settings.configuration
        self._first: Kind = "warm_start" if is_same else "cold_start"

    def start(self) -> None:
        self._tell(Occasion(self._first, _START_WORDS[self._first]))
        self._turn()

    def stop(self) -> None:
        """Tell what has been gathered, and end."""
        self._tells_from = -inf
        self._turn()
        if self._timer is not None:
            self._timer.cancel()
        for road in self.roads:
            road.close()

    def hear(self, datagram: Datagram, view: DaemonView) -> None:
        """What the hub tells, and what is known after it."""
        self._view, self._sender = view, datagram.header.sender
        events = [fact for fact in datagram.facts if isinstance(fact, EventFact)]
        self._gathered += events
        if not view.is_complete:
            self._complete_since = None
        elif self._complete_since is None:
            self._complete_since = self._clock()
        if events or self._has_new_alarms(view):
            self._turn()

    def _has_new_alarms(self, view: DaemonView) -> bool:
        believed = {fact.key for fact in self.state.memory.raised}
        return any(
            fact.is_raised != (key in believed) and key not in self._pending for key, fact in view.alarms.items()
        )

    def _turn(self) -> None:
        """Everything that is due. A defect in it must not end it."""
        now = self._clock()
        try:
            self._do(now)
        except Exception as error:
            self._counters.defects += 1
            self._tell_problem("notifications", f"unexpected {type(error).__name__}: {error}")
        finally:
            self._wait(now)

    def _do(self, now: float) -> None:
        if now >= self._tells_from:
            self._tell_events(now)
            self._tell_alarms(now)
            self._tell_summary(now)
        for road in self.roads:
            road.turn(now)
            self._tell_problem(f"snmp.target.{road.target.settings.name} at {road.address}", road.problem)
        self._keep()

    def _tell_events(self, now: float) -> None:
        gathered, self._gathered = self._gathered, []
        if not gathered:
            return
        for occasion in occasions.of_events(self.state.memory, self._sender, gathered):
            self._is_changed = True
            if self._limit.may(occasion.kind, now):
                self._tell(occasion)
            else:
                self._hold(occasion.kind, now)

    def _tell_alarms(self, now: float) -> None:
        """What cannot be told now is told later, unless it is over by then."""
        if self._view is None:
            return
        is_settled = self._complete_since is not None and now - self._complete_since >= SETTLING_SECONDS
        pending: dict[tuple[Any, ...], Kind] = {}
        for occasion in occasions.of_alarms(self.state.memory, self._view, is_settled=is_settled):
            assert occasion.alarm is not None, "it is about one"
            key = occasion.alarm.key
            if self._limit.may(occasion.kind, now):
                self._tell(occasion)
                occasions.believe(self.state.memory, occasion.alarm)
                self._pending.pop(key, None)
            else:
                pending[key] = occasion.kind
        for kind in (kind for key, kind in self._pending.items() if key not in pending):
            self._hold(kind, now)
            self._hold("alarm_cleared" if kind == "alarm_raised" else "alarm_raised", now)
        self._pending = pending

    def _tell_summary(self, now: float) -> None:
        untold = self._limit.summary(now)
        if not untold:
            return
        words = ", ".join(f"{count} {definitions.mib_name(kind)}" for kind, count in untold.items())
        self._tell(
            Occasion("suppression", f"held back by snmp.notifications_per_minute: {words}"), sum(untold.values())
        )

    def _hold(self, kind: Kind, now: float) -> None:
        self._limit.hold(kind, now)
        self.state.suppressed += 1
        self._is_changed = True

    def _tell(self, occasion: Occasion, suppressed: int | None = None) -> None:
        now = self._clock()
        held = self._limit.note(occasion.kind, now)
        self.state.sequence += 1
        told = definitions.Told(occasion, self.state.sequence, held if suppressed is None else suppressed)
        bindings = definitions.encode(told, uptime=now - self._began)
        notification = Notification(occasion.kind, self.state.sequence, bindings)
        for road in self.roads:
            wanted = road.target.settings.notifications
            if not wanted or occasion.kind in wanted:
                road.target.put(notification, now)
        self._is_changed = True

    def _tell_problem(self, what: str, problem: str) -> None:
        """One that lasts is told when it begins."""
        if problem and self._told_problems.get(what) != problem:
            self._say(f"{what}: {problem}")
        self._told_problems[what] = problem

    def _keep(self) -> None:
        if not self._is_changed and not any(road.is_changed for road in self.roads):
            return
        self._is_changed = False
        for road in self.roads:
            road.is_changed = False
        self.state.waiting = {
            road.target.settings.name: road.target.waiting for road in self.roads if road.target.waiting
        }
        try:
            kept.save(self._path, self.state)
        except OSError as error:
            self._tell_problem(str(self._path), f"{error.strerror or error}: after a restart things are told twice")

    def _wait(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = min(road.due for road in self.roads)
        if now < self._tells_from:
            due = min(due, self._tells_from)
        delay = min(max(due - now, 0.01), _TICK_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(delay, self._turn)

    def _road(self, settings: TargetSettings, identity: Identity) -> Road:
        way: Way
        if settings.user is None:
            way = ByCommunity(settings.community or "")
        elif settings.is_inform:
            way = ByTheirEngine(settings.user, identity.engine_id)
        else:
            way = ByOurEngine(settings.user, identity, lambda: self._clock() - self._began)
        target = Target(settings, way, self.state.counts[settings.name])
        for notification in self.state.waiting.get(settings.name, ()):
            target.put(notification, self._clock())
        return Road(target, self._counters, self._clock, self._turn)

"""Judging, once a second: alarms with their events, program and messages, and items that run unusually long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from snqd.hub.alarm_messages import AlarmMessages
from snqd.hub.alarm_program import AlarmProgram
from snqd.hub.alarm_rules import rules_of
from snqd.hub.slow import Slow, SlowItems
from snqd.hub.store_hand import StoreHand
from snqd.telemetry.alarms import Alarms
from snqd.telemetry.board import SlotState, Word
from snqd.telemetry.events import AlarmCleared, AlarmRaised, ItemSlow
from snqd.telemetry.why import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.hub.gather import Gatherer
    from snqd.hub.parts import HubParts
    from snqd.telemetry.board import Running
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AlarmFact
    from snqd.telemetry.figures import Figures

_STACK_SECONDS = 1.0
_OF_A_QUEUE = ("lag", "stalled", "no_handler", "failures", "dead_letters", "canary")
"""Alarms whose subject is a queue."""
_RUNNING = (SlotState.RUNNING, SlotState.STOPPING)


class Watching:
    """`turn` it on the loop's thread."""

    def __init__(self, parts: HubParts, gatherer: Gatherer, on_problem: Callable[[str, str], None]) -> None:
        self._parts = parts
        self._gatherer = gatherer
        self._alarms = Alarms(rules_of(parts.config))
        self._program: AlarmProgram | None = None
        if parts.config.alarms.exec:
            self._program = AlarmProgram(
                parts.config.alarms.exec, daemon=parts.daemon, loop=asyncio.get_running_loop(), report=on_problem
            )
        self._messages: AlarmMessages | None = None
        if parts.config.alarms.xmpp:
            self._messages = AlarmMessages(
                sender=f"{parts.daemon}@{parts.host}",
                per_minute=parts.config.alarms.xmpp_per_minute,
                make_items=parts.make_alarm_items,
                hand=StoreHand(parts.open_store),
                report=on_problem,
            )
        self._slow = SlowItems()
        self._tasks: set[asyncio.Task[None]] = set()

    def turn(self, view: DaemonView, now: float) -> list[AlarmFact]:
        """Judge; the alarms that are to be told. What was raised or cleared becomes an event."""
        lasted = {(fact.name, fact.subject): fact.since for fact in self._alarms.facts() if fact.is_raised}
        for change in self._alarms.judge(view, now):
            self._tell(change, lasted.get((change.name, change.subject), now), now, view)
        if self._messages is not None:
            self._messages.turn(time.monotonic())
        if self._parts.config.telemetry.stacks:
            self._look_for_slow_items()
        return self.alarms()

    @property
    def figures(self) -> Figures:
        """What alarms are judged by."""
        return self._alarms.figures

    def alarms(self) -> list[AlarmFact]:
        """Those that are raised, and those that were cleared a short while ago."""
        return self._alarms.facts()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._program is not None:
            self._program.close()
        if self._messages is not None:
            self._messages.stop()

    def _tell(self, fact: AlarmFact, raised_at: float, now: float, view: DaemonView) -> None:
        told = {
            "daemon": self._parts.daemon,
            "name": fact.name,
            "subject": fact.subject,
            "value": fact.value,
            "threshold": fact.threshold,
            "message": fact.message,
        }
        if fact.is_raised:
            self._parts.emit(AlarmRaised(**told))  # type: ignore[arg-type]  # texts and figures, each in its place
        else:
            self._parts.emit(AlarmCleared(**told, lasted_seconds=round(now - raised_at, 3)))  # type: ignore[arg-type]
        if self._program is not None:
            self._program.tell(fact)
        if self._messages is not None:
            is_queue = fact.is_raised and fact.name in _OF_A_QUEUE
            self._messages.tell(fact, why(view, fact.subject, now=time.monotonic()) if is_queue else None)

    def _look_for_slow_items(self) -> None:
        for slow in self._slow.look(self._running(), self._gatherer.flows, time.monotonic_ns()):
            task = asyncio.get_running_loop().create_task(self._tell_slow(slow), name="stack")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _running(self) -> Iterator[tuple[int, list[Running]]]:
        for view in self._parts.board.used():
            if SlotState(view.get(Word.STATE)) in _RUNNING and view.get(Word.READY):
                yield view.number, view.running()

    async def _tell_slow(self, slow: Slow) -> None:
        view, item = self._parts.board.slot(slow.slot), slow.running
        pid, stack = view.get(Word.PID), ""
        if pid and item in view.running():
            stack = await asyncio.to_thread(
                self._parts.channels.stacks.take_stack, pid, slow.slot, seconds=_STACK_SECONDS
            )
        self._parts.emit(
            ItemSlow(
                worker=f"{self._parts.daemon}.{slow.slot}",
                item=item.item,
                queue=item.queue,
                site=item.site,
                running_seconds=round(slow.seconds, 3),
                usual_seconds=round(slow.usual_seconds, 6),
                reason=slow.reason,
                stack=stack,
            )
        )

"""Replacing every worker after a reload, one by one and never without a worker.

1. An extra worker is started in a free slot with the new configuration. Until it is ready nothing else happens; if
   it cannot start, the reload has failed and the old workers never noticed.
2. Slot by slot, an old worker is asked to leave; when it has drained and is gone, a new one starts in its slot; when
   that is ready, the next slot follows. Crashed and fatal slots get a new worker too.
3. The extra worker leaves (unless it is the only one that runs, or one more is wanted now).

The extra worker makes this the same with one worker as with fifty: somebody works at every moment, slots keep
their numbers, and at most one worker more than wanted exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.supervisor.slots import Slot, Stop
from snqd.telemetry.board import SlotState

if TYPE_CHECKING:
    from snqd.supervisor.crew import Crew, Plan


class Rollout:
    """One replacement of all workers by those of `plan`; call `step` whenever something has happened."""

    def __init__(self, crew: Crew, plan: Plan, extra: Slot) -> None:
        self.plan = plan
        self.extra = extra
        self._crew = crew
        self.failure = ""
        """Why the extra worker could not start; the plan must then be dropped."""
        self.is_proven = False
        """The extra worker has become ready: the plan is good, and is the one for every spawn from now on."""
        self.is_done = False
        self.is_extra_kept = False
        crew.spawn(extra, plan)

    def keep_extra(self) -> bool:
        """One more worker is wanted: the extra one stays. Whether that is possible, and was not done before."""
        if not self.is_proven or self.is_extra_kept or not self.extra.is_alive:
            return False
        self.is_extra_kept = True
        return True

    def step(self, *, grace_seconds: float) -> None:
        if not self.is_proven:
            self._prove()
        elif not self.is_done:
            self._replace_next(grace_seconds)

    def _prove(self) -> None:
        match self.extra.state:
            case SlotState.RUNNING:
                self.is_proven = True
            case SlotState.BACKOFF | SlotState.FATAL | SlotState.CLOSED:
                self.failure = self.extra.fatal_reason or self.extra.view.exit_reason or "the new worker ended"
            case SlotState.STARTING | SlotState.STOPPING:
                pass

    def _replace_next(self, grace_seconds: float) -> None:
        others = [slot for slot in self._crew if slot is not self.extra]
        if any(self._is_on_its_way(slot) for slot in others):
            return
        for slot in others:
            if slot.generation == self.plan.generation:
                continue
            if slot.state is SlotState.FATAL:
                slot.quick_deaths = 0
                self._crew.spawn(slot, self.plan)
                return
            if slot.is_alive:
                self._crew.ask_to_leave(slot, Stop.REPLACE, grace_seconds=grace_seconds)
                return
        is_needed = self.is_extra_kept or not any(slot.state is SlotState.RUNNING for slot in others)
        if self.extra.is_alive and not is_needed:
            self._crew.ask_to_leave(self.extra, Stop.CLOSE, grace_seconds=grace_seconds)
        self.is_done = True

    def _is_on_its_way(self, slot: Slot) -> bool:
        is_new = slot.generation == self.plan.generation
        return slot.state in (SlotState.STOPPING, SlotState.BACKOFF) or (slot.state is SlotState.STARTING and is_new)

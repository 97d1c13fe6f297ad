"""Duty: of all the workers that may serve a group of `daemon.single_groups`, on all hosts of a store, one does.

The others *stand by*: they are ready, claim nothing, run no service, and look once a second whether they are needed.
What the duty is, the store decides (see `Store.take_duty`); here is when it is asked, and what follows.

- A worker that leaves for good gives the duty away. One that is to be replaced in its slot keeps it, and its successor,
  who sees that it is dead, has it at once.
- When a whole host is gone, the duty is free after `daemon.takeover_seconds`. Whoever takes it over first gives back
  what the former worker had claimed: items that were claimed long ago are older than those that wait, and go first.
- A worker that could not renew its duty cannot know whether it still has it. After two thirds of the time it leaves,
  whatever hangs, so that it is gone before another begins.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from snqd.telemetry.board import Phase, Word
from snqd.telemetry.events import WorkerOnDuty, WorkerStandsBy
from snqd.worker.identity import is_dead, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.repairs import Duty
    from snqd.worker.care import Care
    from snqd.worker.parts import Parts

LOOK_SECONDS = 1.0
"""Between two looks of who stands by."""
_RENEWALS = 6
"""How often the duty is renewed in its time."""
_TRUSTED = 2 / 3
"""The share of its time for which a duty that was not renewed is believed in."""
_NEVER = float("inf")


class WorkerDuty:
    """`look` and `leave` belong to the store's thread; `lapsed` may be called by any."""

    def __init__(self, parts: Parts, care: Care, *, on_duty: Callable[[], None]) -> None:
        """`on_duty` is called once, in the store's thread, before the first claim: not for a worker without duties."""
        self._parts = parts
        self._care = care
        self._on_duty = on_duty
        self._groups = parts.duties
        self._words = f"group {', '.join(self._groups)}"
        self._seconds = parts.config.daemon.takeover_seconds
        self._began = time.monotonic()
        self._told = ""
        self._reason = ""
        self._trusted_until = _NEVER
        self.is_ours = not self._groups
        """Whether it may claim."""
        self.next_at = 0.0 if self._groups else _NEVER
        """When to look, by the monotonic clock."""

    @property
    def exit_seconds(self) -> float:
        """How long a worker whose duty has lapsed may take to leave."""
        return self._seconds * (1 - _TRUSTED) * 0.8

    def look(self, now: float, *, may_begin: bool) -> None:
        """Renew the duty, or see whether it is free. `may_begin` false: the worker leaves, and begins nothing."""
        if self._reason or not (self.is_ours or may_begin):
            self.next_at = _NEVER
            return
        duties = self._take_all()
        other = next((duty.claimant for duty in duties if duty.claimant != self._parts.store.claimant), "")
        if not other:
            self._trusted_until = now + self._seconds * _TRUSTED
            self.next_at = now + self._seconds / _RENEWALS
            if not self.is_ours:
                self._begin([duty.before for duty in duties if duty.before])
        elif self.is_ours:
            self._reason = f"{other} serves {self._words} now"
            self.next_at = _NEVER
        else:
            self.next_at = now + LOOK_SECONDS * random.uniform(0.75, 1.25)
            self._stand_by(other)

    def lapsed(self, now: float) -> str:
        """Why the duty is not ours any more, or may not be; empty while it is, and before it was."""
        if not self.is_ours:
            return ""
        if now >= self._trusted_until and not self._reason:
            since = self._seconds * _TRUSTED
            self._reason = f"it could not tell the store for {since:.0f} s that it serves {self._words}"
        return self._reason

    def leave(self) -> None:
        """Nothing of the group is done here any more."""
        if self.is_ours:
            for group in self._groups:
                self._parts.store.leave_duty(group)

    def _take_all(self) -> list[Duty]:
        """All of the groups or none: what is obtained before another's is met is given back."""
        duties: list[Duty] = []
        for group in self._groups:
            duty = self._take(group)
            duties.append(duty)
            if duty.claimant != self._parts.store.claimant:
                for given_back in self._groups[: len(duties) - 1] if not self.is_ours else ():
                    self._parts.store.leave_duty(given_back)
                break
        return duties

    def _take(self, group: str) -> Duty:
        store = self._parts.store
        duty = store.take_duty(group, seconds=self._seconds)
        if duty.claimant != store.claimant and self._was_here(duty.claimant):
            return store.take_duty(group, seconds=self._seconds, instead_of=duty.claimant)
        return duty

    def _was_here(self, claimant: str) -> bool:
        """Whether this is a dead worker of our own slot. Those of other daemons have successors who know more."""
        theirs, ours = parse(claimant), parse(self._parts.store.claimant)
        return theirs is not None and ours is not None and theirs.worker == ours.worker and is_dead(claimant)

    def _stand_by(self, other: str) -> None:
        self._parts.view.set(Word.PHASE, Phase.STANDBY)
        if other != self._told:
            self._told = other
            self._parts.emit(WorkerStandsBy(worker=self._parts.worker, groups=self._groups, claimant=other))

    def _begin(self, former: list[str]) -> None:
        for claimant in dict.fromkeys(former):
            self._care.give_back(claimant, f"{self._parts.worker} has taken over")
        if self._told:
            after = time.monotonic() - self._began
            self._parts.emit(
                WorkerOnDuty(
                    worker=self._parts.worker,
                    groups=self._groups,
                    before=self._told,
                    after_seconds=round(after, 3),
                )
            )
            self._parts.view.set(Word.PHASE, Phase.IDLE)
        self.is_ours = True
        self._on_duty()

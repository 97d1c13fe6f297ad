"""Tells alarms to people by XMPP: an item of `xmppout` for each of `alarms.xmpp`, stored by a thread that may wait.

An alarm that comes while more than `alarms.xmpp_per_minute` were sent, or while the store does not answer, is kept and
goes with the next message, so that an outage is a few messages and not hundreds, and its end is told too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqd.telemetry.allowance import Allowance
from snqd.telemetry.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.hub.store_hand import StoreHand
    from snqd.items import NewItem
    from snqd.telemetry.facts import AlarmFact
    from snqd.telemetry.why import Answer

LINES = 20
"""Alarms in one message. Of more that wait, the oldest are only counted."""
BURST = 3
RETRY_SECONDS = 10.0
_STORE_SECONDS = 20.0


class AlarmMessages:
    """Belongs to the loop."""

    def __init__(
        self,
        *,
        sender: str,
        per_minute: float,
        make_items: Callable[[str], list[NewItem]],
        hand: StoreHand,
        report: Callable[[str, str], None],
    ) -> None:
        """`sender` is how the daemon calls itself in each line, `make_items(text)` are the items of one message, and
        `report(what, error)` takes what went wrong.
        """
        self._sender = sender
        self._allowance = Allowance(per_minute / 60, max(1.0, min(BURST, per_minute)))
        self._make_items = make_items
        self._hand = hand
        self._report = report
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._retry_at = 0.0
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def tell(self, alarm: AlarmFact, why: Answer | None) -> None:
        """Take a change to be told. `why`: what holds the alarm's queue up, if it is about one."""
        self._waiting.append(line_of(self._sender, alarm, why))
        self._leave_out()

    def turn(self, now: float) -> None:
        """Send what waits if that is allowed at `now` (seconds of a clock that does not go back). Never waits."""
        if self._task is None and self._waiting and now >= self._retry_at and self._allowance.take(now):
            self._task = asyncio.get_running_loop().create_task(self._send(now), name="alarm messages")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _send(self, now: float) -> None:
        """What is not stored for certain goes again, with what came meanwhile."""
        lines, left_out = list(self._waiting), self._left_out
        self._waiting.clear()
        self._left_out = 0
        before = [f"{self._sender}: {plural(left_out, 'change')} before these: snqd health"] if left_out else []
        try:
            items = self._make_items("\n".join([*before, *lines]))
            await self._hand.do(lambda store: store.enqueue(items), seconds=_STORE_SECONDS)
            self._is_failing = False
        except (SnqdError, TimeoutError) as error:
            self._waiting.extendleft(reversed(lines))
            self._left_out += left_out
            self._leave_out()
            self._retry_at = now + RETRY_SECONDS
            if not self._is_failing:  # once for an outage
                self._report("alarms.xmpp", str(error) or f"not stored within {_STORE_SECONDS:g} s")
            self._is_failing = True
        finally:
            self._task = None

    def _leave_out(self) -> None:
        while len(self._waiting) > LINES:
            self._waiting.popleft()
            self._left_out += 1


def line_of(sender: str, alarm: AlarmFact, why: Answer | None) -> str:
    """What a person reads. `sender`: the daemon and its host."""
    if not alarm.is_raised:
        return f"{sender}: over: {alarm.name} of {alarm.subject}: {alarm.message}"
    cause = f"\n{why.sentence} ({why.command})" if why is not None else ""
    return f"{sender}: ALARM {alarm.name} of {alarm.subject}: {alarm.message}{cause}"

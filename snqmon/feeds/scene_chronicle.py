"""`Chronicle`: the events of a scene's daemon, in the words of the real log, numbered as a hub numbers them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from snqd.telemetry import events
from snqd.telemetry.facts import EventFact
from snqd.telemetry.lines import level_of, message_of
from snqmon.feeds.scene_cast import TRANSCODE_STACK
from snqmon.feeds.scene_story import PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from snqd.telemetry.events import Event
    from snqd.telemetry.facts import AlarmFact
    from snqmon.feeds.scene_pairs import Pair
    from snqmon.feeds.scene_story import Pause
    from snqmon.feeds.scene_workers import Hand

_MOST_FAILURES: Final = 3
"""Of one pair in one second that are told one by one."""


class Chronicle:
    """Moments are epoch seconds."""

    def __init__(self, daemon: str, host: str, random: Random) -> None:
        self._daemon, self._host, self._random = daemon, host, random
        self._item = 8_800_000 + random.randrange(90_000)
        self._number = 0
        self._untold: list[EventFact] = []

    def take(self) -> list[EventFact]:
        """What has happened since the last call."""
        taken, self._untold = self._untold, []
        return taken

    def next_item(self) -> int:
        """The number of an item: they grow by as much as there may have been meanwhile."""
        self._item += self._random.randrange(1, 40)
        return self._item

    def alarm(self, fact: AlarmFact, raised_at: float, at: float) -> None:
        told: dict[str, Any] = {
            "daemon": self._daemon, "name": fact.name, "subject": fact.subject, "value": fact.value,
            "threshold": fact.threshold, "message": fact.message,
        }  # fmt: skip
        if fact.is_raised:
            self._tell(events.AlarmRaised(**told), at)
        else:
            self._tell(events.AlarmCleared(**told, lasted_seconds=round(at - raised_at, 3)), at)

    def failures(self, pair: Pair, hands: Sequence[Hand], failed: int, dead: int, at: float) -> None:
        queue = pair.queue
        for number in range(min(failed, _MOST_FAILURES)):
            given: dict[str, Any] = {
                "worker": hands[(self._item + number) % len(hands)].name, "item": self.next_item(),
                "queue": queue.name, "site": pair.site, "error": queue.error.format(site=pair.site),
                "traceback": queue.traceback.format(site=pair.site),
            }  # fmt: skip
            if number < dead:
                told: Event = events.ItemDeadLettered(**given, attempt=queue.max_attempts, reason="attempts")
            else:
                retry = round(15 + 45 * self._random.random(), 1)
                told = events.ItemFailed(**given, attempt=1, max_attempts=queue.max_attempts, retry_seconds=retry)
            self._tell(told, at + 0.01 * number)

    def slow(self, hand: Hand, item: int, pair: Pair, seconds: float, at: float) -> None:
        self._tell(
            events.ItemSlow(
                worker=hand.name, item=item, queue=pair.queue.name, site=pair.site, running_seconds=seconds,
                usual_seconds=8.0, reason="three times as long as 99 of 100 items of this queue", stack=TRANSCODE_STACK,
            ),
            at,
        )  # fmt: skip

    def paused(self, pause: Pause, at: float) -> None:
        self._tell(
            events.Paused(
                daemon=self._daemon, queue=pause.queue, site=pause.site, author=pause.author, reason=pause.reason,
                until=at + PAUSE_SECONDS,
            ),
            at,
        )  # fmt: skip

    def resumed(self, pause: Pause, at: float) -> None:
        lasted = float(pause.span.end - pause.span.begin)
        self._tell(
            events.Resumed(
                daemon=self._daemon, queue=pause.queue, site=pause.site, author=pause.author, paused_seconds=lasted
            ),
            at,
        )

    def ready(self, hand: Hand, queues: tuple[str, ...], at: float) -> None:
        self._tell(events.WorkerReady(worker=hand.name, pid=hand.pid, queues=queues, startup_seconds=0.41), at)

    def crashed(self, hand: Hand, item: int, pair: Pair, by: str, at: float) -> None:
        """A worker dies in the middle of an item, and another one gives back what it held."""
        reason = "killed by SIGSEGV (Segmentation fault)"
        claimant = f"{self._host}/{hand.name}/{hand.pid}"
        self._exit(hand, reason, at, signal="SIGSEGV", code=None, items=(item,), pair=pair)
        given = {"worker": by, "item": item, "queue": pair.queue.name, "site": pair.site}
        self._tell(events.ItemCrashed(**given, crash_attempts=1, error=reason), at + 0.02)  # type: ignore[arg-type]
        self._tell(events.ItemsReclaimed(worker=by, count=3, claimant=claimant, reason=reason), at + 0.02)

    def outgrown(self, hand: Hand, at: float) -> None:
        """A worker leaves because of its size, and is replaced."""
        size, limit = hand.rss_bytes, hand.limit_bytes
        self._tell(events.MemoryRestart(worker=hand.name, rss_bytes=size, limit_bytes=limit), at - 0.2)
        reason = f"resident memory {size:,} bytes is past the soft limit of {limit:,}"
        self._exit(hand, f"wants to be replaced (exit code 101): {reason}", at, signal=None, code=101)

    def _exit(
        self,
        hand: Hand,
        reason: str,
        at: float,
        *,
        signal: str | None,
        code: int | None,
        items: tuple[int, ...] = (),
        pair: Pair | None = None,
    ) -> None:
        """The process of a worker ends, and the next one begins."""
        queue, site = (pair.queue.name, pair.site) if pair is not None else (None, None)
        self._tell(
            events.WorkerExited(
                worker=hand.name, pid=hand.pid, code=code, signal=signal, reason=reason, expected=signal is None,
                lived_seconds=round(at - hand.spawned, 1), handled=hand.handled - hand.handled_before,
                rss_bytes=hand.rss_bytes, failed=hand.failed, items=items, queue=queue, site=site,
            ),
            at,
        )  # fmt: skip
        hand.leave(at, reason)
        self._tell(events.WorkerSpawned(worker=hand.name, pid=hand.pid, respawns=hand.respawns), at + 0.05)

    def _tell(self, event: Event, at: float) -> None:
        self._number += 1
        level = logging.getLevelName(level_of(event)).lower()
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
        self._untold.append(EventFact(self._number, at, type(event).__name__, level, message_of(event), fields))

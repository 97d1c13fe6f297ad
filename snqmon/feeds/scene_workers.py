"""`Hand`: one worker of the scene, and the fact that tells of it. A tick = 1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.telemetry.facts import MemoryFact, WorkerFact
from snqmon.feeds.scene_cast import MEBIBYTE

if TYPE_CHECKING:
    from random import Random

    from snqmon.feeds.scene_pairs import Pair

FRESH_BYTES: Final = 64 * MEBIBYTE
"""Resident memory of a worker that has just begun."""


class Item(NamedTuple):
    """What a worker runs now."""

    number: int
    pair: Pair
    started: float
    """Epoch seconds."""


class Hand:
    def __init__(self, name: str, group: str, pid: int, spawned: float, limit_bytes: int, random: Random) -> None:
        self.name, self.group, self.pid, self.spawned = name, group, pid, spawned
        self.limit_bytes = limit_bytes
        self.item: Item | None = None
        self.hangs_until = 0.0
        """Epoch seconds; until then its item does not end."""
        self.is_starting = False
        self.is_claiming = False
        self.claimed = self.handled = self.failed = self.dead_lettered = self.respawns = 0
        self.handled_before = 0
        """At the begin of the present process."""
        self.cpu_seconds = 0.0
        self.exit_reason, self.exit_at = "", 0.0
        self.grown_bytes = 0
        """By what its handlers keep."""
        self.grown_items = 0
        self._random = random
        self._size = FRESH_BYTES + random.randrange(24 * MEBIBYTE)

    @property
    def rss_bytes(self) -> int:
        return 0 if not self.pid else self._size + self.grown_bytes

    @property
    def is_free(self) -> bool:
        """Whether it can be given something."""
        return not self.is_starting

    def credit(self, count: int, failed: int, dead: int) -> None:
        self.claimed += count
        self.handled += count - failed
        self.failed += failed
        self.dead_lettered += dead

    def work(self, busy: float) -> None:
        """A second passes in which it was busy for a share of it."""
        self.cpu_seconds += 0.7 * busy + 0.002
        self._size += self._random.randrange(-200_000, 200_001) if busy else 0
        self._size = max(FRESH_BYTES, self._size)

    def leave(self, at: float, reason: str) -> None:
        """Its process ends, and the next one is starting."""
        self.exit_reason, self.exit_at = reason, at
        self.item, self.is_starting = None, True
        self.pid += 311
        self.spawned = at + 0.05
        self.respawns += 1
        self.handled_before = self.handled
        self.cpu_seconds = 0.2
        self.grown_bytes = self.grown_items = 0
        self._size = FRESH_BYTES

    def fact(self, at: float) -> WorkerFact:
        item = self.item
        phase = "starting" if self.is_starting else "handling" if item else "claiming" if self.is_claiming else "idle"
        return WorkerFact(
            worker=self.name, pid=self.pid, state="starting" if self.is_starting else "running", phase=phase,
            spawned=self.spawned, beat=at - 0.05, item=item.number if item else 0,
            queue=item.pair.queue.name if item else "", site=item.pair.site if item else "",
            item_started=item.started if item else 0.0, running=int(item is not None), claimed=self.claimed,
            handled=self.handled, failed=self.failed, retried=0, dead_lettered=self.dead_lettered, discarded=0,
            released=0, rss_bytes=self.rss_bytes, memory_limit_bytes=self.limit_bytes,
            cpu_seconds=round(self.cpu_seconds, 3), respawns=self.respawns, exit_reason=self.exit_reason,
            exit_at=self.exit_at
        )  # fmt: skip

    def memory_fact(self, queue: str, bytes_per_second: float) -> MemoryFact:
        left = max(0, self.limit_bytes - self.rss_bytes)
        return MemoryFact(
            worker=self.name, queue=queue, grown_bytes=self.grown_bytes, items=self.grown_items,
            limit_in_seconds=round(left / bytes_per_second) if self.grown_bytes else -1.0
        )  # fmt: skip

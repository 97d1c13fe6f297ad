"""`SceneDaemon`: a daemon that was never started: its facts and events, second by second, from a seed.

The state after a tick, which is a second, depends on the cast, the seed and the ticks before, and on nothing else.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final

from snqd.telemetry.facts import CanaryFact, DaemonFact, QueueFact, StoreFact
from snqd.telemetry.pauses import words_of
from snqmon.feeds import scene_story as story
from snqmon.feeds.scene_cast import MEBIBYTE
from snqmon.feeds.scene_chronicle import Chronicle
from snqmon.feeds.scene_pairs import Pair
from snqmon.feeds.scene_workers import Hand, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.facts import AlarmFact, AnyFact, EventFact, PauseFact
    from snqmon.feeds.scene_cast import DaemonCast

VERSION: Final = "0.1.0"
_RATE_TICKS: Final = 60
_EFFORT: Final = 0.97
"""Share of its time that a worker spends in handlers when there is enough to do."""
_LEAST_PER_SECOND: Final = 0.002
"""A queue of a site to which less comes is not there."""
_CANARY: Final = "mail"
_CANARY_TICKS: Final = 30


class SceneDaemon:
    """`epoch`: what tick 0 is, in epoch seconds; `first`: the first tick that will be played."""

    def __init__(self, cast: DaemonCast, seed: int, *, epoch: float, first: int) -> None:
        self.cast = cast
        self.started = epoch - cast.up_seconds
        self._epoch, self._tick = epoch, first - 1
        self._random = random.Random(f"{cast.name}@{cast.host} {seed}")
        self._chronicle = Chronicle(cast.name, cast.host, self._random)
        self._pairs = list(self._made_pairs(cast.up_seconds + first))
        self._groups = {group: [pair for pair in self._pairs if pair.queue.group == group] for group in cast.groups}
        self._hands = list(self._hired(epoch + first))
        self._debts = dict.fromkeys(cast.groups, 0.0)
        self._courses = {queue.name: _Course() for queue in cast.queues}
        self._canary = CanaryFact(_CANARY, 0, 0, 0.0, 0.0, -1.0)
        self._round_trip = 0.001

    def play(self) -> None:
        """Let the next second pass."""
        self._tick += 1
        tick, second, at = self._tick, story.second_of(self._tick), self._epoch + self._tick
        self._round_trip = round(0.0009 + 0.0006 * self._random.random(), 6)
        self._happen(second, at)
        came = {queue.name: 0 for queue in self.cast.queues}
        left = dict.fromkeys(came, 0)
        for pair in self._pairs:
            name = pair.queue.name
            came[name] += pair.arrive(tick, story.arriving(name, pair.site, second))
        for group in self._groups:
            self._serve(group, second, at, left)
        ready = dict.fromkeys(came, 0)
        for pair in self._pairs:
            ready[pair.queue.name] += 0 if self._is_paused(pair) else pair.ready
        for name, course in self._courses.items():
            course.note(came[name], left[name], ready[name])
        if tick % _CANARY_TICKS == 0 and _CANARY in came:
            sent = self._canary.sent + 1
            self._canary = CanaryFact(_CANARY, sent, sent, at - 0.3, at - 0.3 + 0.012, 0.012)

    def facts(self) -> list[AnyFact]:
        """All that holds after the last tick."""
        at = self._epoch + self._tick
        pauses = story.pause_facts(story.second_of(self._tick), at)
        facts: list[AnyFact] = [self._daemon_fact(at, len(pauses)), self._store_fact(), *self._queue_facts(at, pauses)]
        facts += pauses
        facts += [hand.fact(at) for hand in self._hands]
        facts += [
            hand.memory_fact(story.GROWING_QUEUE, story.GROWN_BYTES_PER_SECOND)
            for hand in self._hands
            if hand.name == story.GROWING_WORKER
        ]
        if self._canary.sent:
            facts.append(self._canary)
        facts += [pair.depth(self._tick, at, is_paused=self._is_paused(pair)) for pair in self._pairs]
        facts += [pair.flow() for pair in self._pairs]
        return facts

    def take_events(self) -> list[EventFact]:
        """What has happened since the last call."""
        return self._chronicle.take()

    def tell_alarm(self, fact: AlarmFact, raised_at: float) -> None:
        """An alarm was raised or cleared."""
        self._chronicle.alarm(fact, raised_at, self._epoch + self._tick)

    def _made_pairs(self, past_seconds: float) -> Iterator[Pair]:
        for queue in self.cast.queues:
            dead = self.cast.waiting.get(queue.name, 0)
            for site, share in self.cast.sites.items():
                if queue.per_second * share >= _LEAST_PER_SECOND:
                    yield Pair(queue, site, share, past_seconds, dead, self._random)
                    dead = 0

    def _hired(self, at: float) -> Iterator[Hand]:
        """The workers, as they are after the days before the scene."""
        number = 0
        for group, count in self.cast.groups.items():
            handled = sum(pair.handled for pair in self._groups[group]) // count
            for _ in range(count):
                number += 1
                hand = Hand(
                    f"{self.cast.name}.{number}", group, 4100 + 7 * number, self.started + 0.2 * number,
                    self.cast.memory_limit_bytes, self._random
                )  # fmt: skip
                hand.claimed = hand.handled = handled + self._random.randrange(-handled // 50 - 1, handled // 50 + 1)
                hand.cpu_seconds = (at - hand.spawned) * 0.3
                if hand.name == story.GROWING_WORKER:
                    hand.spawned, hand.handled_before = at - 900.0, hand.handled - 630
                    hand.grown_bytes = self.cast.memory_limit_bytes * 3 // 5
                yield hand

    def _happen(self, second: int, at: float) -> None:
        """What the story has for this second."""
        for pause in story.PAUSES:
            if second == pause.span.begin:
                self._chronicle.paused(pause, at)
            elif second == pause.span.end:
                self._chronicle.resumed(pause, at)
        for hand in self._hands:
            if hand.is_starting and at - hand.spawned >= story.BACK_SECONDS - 0.1:
                hand.is_starting = False
                queues = tuple(queue.name for queue in self.cast.queues if queue.group == hand.group)
                self._chronicle.ready(hand, queues, at)
            if second == story.CRASH and hand.name == story.CRASH_WORKER:
                pair = self._pair(story.CRASH_QUEUE, story.CRASH_SITE)
                self._chronicle.crashed(hand, self._chronicle.next_item(), pair, self._hands[0].name, at)
            if hand.name == story.GROWING_WORKER and hand.rss_bytes > hand.limit_bytes:
                self._chronicle.outgrown(hand, at)
            if second == story.SLOW and hand.name == story.SLOW_WORKER:
                pair = self._pair(story.SLOW_QUEUE, story.SLOW_SITE)
                hand.item = Item(self._chronicle.next_item(), pair, at - story.SLOW_SECONDS)
                hand.hangs_until = at + story.SLOW_SECONDS
                self._chronicle.slow(hand, hand.item.number, pair, story.SLOW_SECONDS, at)

    def _serve(self, group: str, second: int, at: float, left: dict[str, int]) -> None:
        """Give the time of a group's workers to its oldest items."""
        pairs = self._groups[group]
        hands = [
            hand for hand in self._hands if hand.group == group and not hand.is_starting and at >= hand.hangs_until
        ]
        for pair in pairs:
            pair.in_flight = 0
        budget = len(hands) * _EFFORT + self._debts[group]
        served: list[tuple[Pair, int]] = []
        count = failed = dead = 0
        waiting = [pair for pair in pairs if pair.ready and not self._is_paused(pair)]
        for pair in sorted(waiting, key=_oldest):
            if budget <= 0:
                break
            queue = pair.queue
            share = story.failing(queue.name, pair.site, second, queue.failing)
            done = pair.serve(self._tick, max(1, int(budget / queue.run_seconds)), share)
            budget -= done.items * queue.run_seconds
            left[queue.name] += done.items - done.failed + done.dead
            served.append((pair, done.items))
            count, failed, dead = count + done.items, failed + done.failed, dead + done.dead
            if done.failed:
                self._chronicle.failures(pair, hands, done.failed, done.dead, at)
        self._debts[group] = min(0.0, budget)
        self._credit(hands, count, failed, dead)
        if served or self._debts[group] >= 0:
            self._occupy(hands, served, _EFFORT - max(0.0, budget) / max(1, len(hands)), at)
        for hand in self._hands:
            if hand.group == group and hand.item is not None:
                hand.item.pair.in_flight += 1

    def _credit(self, hands: list[Hand], count: int, failed: int, dead: int) -> None:
        """Deal what was done to the workers, each in its turn."""
        for number in range(len(hands)):
            hand = hands[(self._tick + number) % len(hands)]
            part = count // len(hands) + (number < count % len(hands))
            hand.credit(part, min(part, failed), min(part, dead))
            failed -= min(part, failed)
            dead -= min(part, dead)

    def _occupy(self, hands: list[Hand], served: list[tuple[Pair, int]], busy: float, at: float) -> None:
        """What each worker is seen to do at the end of the second. One with a long item goes on with it."""
        pairs = [pair for pair, _count in served]
        weights = [count * pair.queue.run_seconds for pair, count in served]
        for hand in hands:
            hand.item, hand.is_claiming = None, bool(served) and self._random.random() < 0.1
            hand.work(busy)
            if hand.name == story.GROWING_WORKER:
                hand.grown_bytes += story.GROWN_BYTES_PER_SECOND
                hand.grown_items = hand.handled - hand.handled_before
            if served and self._random.random() < busy:
                (pair,) = self._random.choices(pairs, weights)
                started = at - self._random.random() * pair.queue.run_seconds
                hand.item = Item(self._chronicle.next_item(), pair, started)

    def _is_paused(self, pair: Pair) -> bool:
        return story.is_paused(pair.queue.name, pair.site, story.second_of(self._tick))

    def _pair(self, queue: str, site: str) -> Pair:
        return next(pair for pair in self._pairs if pair.queue.name == queue and pair.site == site)

    def _queue_facts(self, at: float, pauses: list[PauseFact]) -> Iterator[QueueFact]:
        words = {fact.queue: words_of(fact) for fact in pauses if fact.queue and not fact.ended}
        for queue in self.cast.queues:
            served = [pair for pair in self._pairs if pair.queue is queue and not self._is_paused(pair)]
            lag = max((pair.lag(self._tick) for pair in served), default=0.0)
            workers = sum(hand.group == queue.group and not hand.is_starting for hand in self._hands)
            yield self._courses[queue.name].fact(queue.name, workers, words.get(queue.name, ""), lag, at)

    def _store_fact(self) -> StoreFact:
        kind = self.cast.store.partition(":")[0].removesuffix("ql")
        return StoreFact(
            kind_of_store=kind, connected=True, problem="", since=self.started, round_trip_seconds=self._round_trip,
            table_bytes=24 * MEBIBYTE, index_bytes=9 * MEBIBYTE, dead_rows=12_000, last_autovacuum=self.started,
            pin_pid=0, pin_age_seconds=0.0, pin_query=""
        )  # fmt: skip

    def _daemon_fact(self, at: float, pauses: int) -> DaemonFact:
        passed = at - self.started
        return DaemonFact(
            version=VERSION, pid=4100, started=self.started, config_hash="5f1d2c0a", store=self.cast.store,
            workers_wanted=len(self._hands), hub_pid=4104, hub_started=self.started + 0.1,
            hub_cpu_seconds=round(passed * 0.004, 3), hub_rss_bytes=31 * MEBIBYTE,
            probe_seconds=round(passed * 0.002, 3), events_dropped=0, datagrams_sent=int(passed) * 9, bad_datagrams=0,
            workers=len(self._hands), flows=len(self._pairs), depths=len(self._pairs), queues=len(self.cast.queues),
            pauses=pauses
        )  # fmt: skip


class _Course:
    """What came to a queue and left it, over the last minute."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[int, int, int]] = deque(maxlen=_RATE_TICKS)

    def note(self, came: int, left: int, ready: int) -> None:
        self._ticks.append((came, left, ready))

    def fact(self, queue: str, workers: int, paused: str, lag: float, at: float) -> QueueFact:
        seconds = max(1, len(self._ticks))
        came = sum(tick[0] for tick in self._ticks) / seconds
        left = sum(tick[1] for tick in self._ticks) / seconds
        ready = self._ticks[-1][2] if self._ticks else 0
        drain = 0.0 if not ready else round(ready / (left - came), 1) if left > came else -1.0
        return QueueFact(
            queue=queue, workers=workers, has_handler=True, paused=paused, in_per_second=round(came, 2),
            out_per_second=round(left, 2), drain_seconds=drain,
            is_growing=bool(self._ticks) and ready > self._ticks[0][2], lag_seconds=round(lag, 3), lag_at=at
        )  # fmt: skip


def _oldest(pair: Pair) -> int:
    return pair.oldest

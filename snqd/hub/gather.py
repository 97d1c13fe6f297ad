"""Gathering: from board, ledger, system and prober to facts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from snqd.hub.backlog import Backlog, Service
from snqd.hub.canary import Canaries
from snqd.hub.connections import ConnectionBook
from snqd.hub.flows import FlowBook
from snqd.hub.limits import LimitBook
from snqd.hub.memory import MemoryBook
from snqd.hub.pauses import PauseBook
from snqd.hub.prober import Prober
from snqd.hub.schedules import ScheduleBook
from snqd.hub.workers import WorkerBook, cpu_seconds, rss_bytes
from snqd.telemetry.facts import ConnectionFact, DaemonFact, LimitFact, PauseFact, QueueFact, ScheduleFact, StoreFact
from snqd.telemetry.pauses import words_of
from snqd.telemetry.situation import is_idle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snqd.hub.flows import Key
    from snqd.hub.parts import HubParts
    from snqd.hub.prober import Seen
    from snqd.telemetry.facts import AnyFact, DepthFact, FlowFact, MemoryFact, WorkerFact
    from snqd.telemetry.figures import Figures, Recent
    from snqd.telemetry.ledger import CanaryReturn, LedgerReader

_IDLE_AFTER_SECONDS = 5.0


class Gatherer:
    """`start` it after the fork; `quick` as often as receivers want frames, `slow` about once a second."""

    def __init__(self, parts: HubParts, sender: int) -> None:
        self._parts = parts
        self._sender = sender
        self._book = FlowBook()
        self._worker_book = WorkerBook(parts.daemon, parts.board)
        self._memory_book = MemoryBook()
        self._backlog = Backlog(parts.boot, parts.baseline_path)
        self.prober = Prober(
            parts.open_probe, every_seconds=parts.config.telemetry.probe_seconds, left=lambda: dict(self._book.left)
        )
        birds = {name: each.canary_seconds or 0.0 for name, each in parts.config.queue.items()}
        self._pauses = PauseBook(parts.daemon, parts.emit, begun=sender / 1e6)
        self._canaries = Canaries(birds, self.prober, parts.send_canary)
        self._limits = LimitBook(parts.config, parts.sites_path)
        self._schedules = ScheduleBook(parts.config, parts.sites_path)
        self.connections = ConnectionBook()
        self._readers: dict[int, LedgerReader] = {}
        self._depths_at = self._moved_at = 0.0
        self._has_moved = True
        self._workers: list[WorkerFact] = []
        self._slow: list[AnyFact] = []

    def start(self) -> None:
        self.prober.start()

    def end(self) -> None:
        self.prober.end()

    def look_again(self) -> None:
        """Something was done to the store: ask it soon."""
        self.prober.ask_now()

    @property
    def is_idle(self) -> bool:
        """Nothing has moved lately."""
        return self.prober.is_idle

    @property
    def flows(self) -> Mapping[Key, FlowFact]:
        return self._book.facts

    def quick(self, offset: float) -> list[AnyFact]:
        """Workers, and the flows in which something happened. `offset` + monotonic seconds = epoch seconds."""
        touched = set()
        for slot in self._parts.channels.ledger.used():  # those of workers, and that of the janitor
            touched |= self._book.take(slot, self._reader(slot).changed())
        self._has_moved = self._has_moved or bool(touched)
        self._workers = self._worker_book.facts(self._book.of_slot, offset)
        return [*self._book.renew(touched), *self._workers, *self._new_depths(self.prober.seen)]

    def slow(self, now: float, past: Figures, datagrams_sent: int, bad_datagrams: int) -> list[AnyFact]:
        """Queues, memory, canaries, store and the daemon itself. `past`: what happened lately, as of the last look."""
        seen = self.prober.seen
        self._pace_prober(now)
        pauses = self._pauses.take(seen.pauses, now) if seen.lags_at else []
        words = {fact.queue: words_of(fact) for fact in pauses if fact.queue and not fact.site and not fact.ended}
        queues = self._backlog.queues(seen, self._service(), words)
        limits = self._limits.facts()
        has_idle = any(map(is_idle, self._workers))
        facts: list[AnyFact] = [
            self._limits.of_queue(_with_past(fact, past.recent(fact.queue)), has_idle=has_idle) for fact in queues
        ]
        facts += pauses
        facts += limits
        facts += self._schedules.facts(seen, now)
        facts += self.connections.facts(now)
        facts += self._memory(now)
        facts += self._canaries.turn(now, self._canary_returns())
        if seen.is_connected or seen.problem:  # else it has not been asked yet
            facts.append(self._store(seen))
        facts.append(self._daemon(facts, past, datagrams_sent, bad_datagrams))
        self._slow = facts
        return facts

    def everything(self) -> list[AnyFact]:
        """Every fact that holds now."""
        return [*self._book.facts.values(), *self._backlog.depths.values(), *self._workers, *self._slow]

    def _reader(self, slot: int) -> LedgerReader:
        if slot not in self._readers:
            self._readers[slot] = self._parts.channels.ledger.reader(slot)
        return self._readers[slot]

    def _new_depths(self, seen: Seen) -> list[DepthFact]:
        if seen.depths_at == self._depths_at:
            return []
        self._depths_at = seen.depths_at
        fresh = self._backlog.take(seen)
        self._limits.saw(self._backlog.depths)
        return fresh

    def _pace_prober(self, now: float) -> None:
        """A store in which nothing moves is asked less often."""
        if self._has_moved:
            self._moved_at, self._has_moved = now, False
        was_idle, self.prober.is_idle = self.prober.is_idle, now - self._moved_at > _IDLE_AFTER_SECONDS
        if was_idle and not self.prober.is_idle:
            self.prober.ask_now()

    def _service(self) -> Service:
        """From what the living workers say that they serve. Those that stand by would, but do not."""
        workers: dict[str, int] = {}
        known: set[str] = set()
        for fact, view in zip(self._workers, self._parts.board.used(), strict=False):
            if fact.pid and fact.state == "running":
                reader = self._reader(view.number)
                known.update(reader.known())
                for queue in reader.served() if fact.phase != "standby" else ():
                    workers[queue] = workers.get(queue, 0) + 1
        return Service(workers, frozenset(known))

    def _memory(self, now: float) -> Iterator[MemoryFact]:
        for fact, view in zip(self._workers, self._parts.board.used(), strict=False):
            if fact.pid:
                yield from self._memory_book.facts(fact, self._reader(view.number).growth(), now)

    def _canary_returns(self) -> dict[str, CanaryReturn]:
        """The latest return of each queue, whichever worker had it."""
        latest: dict[str, CanaryReturn] = {}
        for reader in self._readers.values():
            for queue, back in reader.canaries().items():
                if queue not in latest or back.number > latest[queue].number:
                    latest[queue] = back
        return latest

    def _store(self, seen: Seen) -> StoreFact:
        health = seen.health
        return StoreFact(
            kind_of_store=self._parts.store_kind,
            connected=seen.is_connected,
            problem=seen.problem,
            since=round(seen.since, 3),
            round_trip_seconds=round(health.round_trip_seconds, 6) if health else -1.0,
            table_bytes=health.table_bytes if health else -1,
            index_bytes=health.index_bytes if health else -1,
            dead_rows=health.dead_rows if health else -1,
            last_autovacuum=health.last_autovacuum if health else 0.0,
            pin_pid=health.pin_pid if health else 0,
            pin_age_seconds=health.pin_age_seconds if health else 0.0,
            pin_query=health.pin_query if health else "",
            live_rows=health.live_rows if health else -1,
            dead_letter_bytes=health.dead_letter_bytes if health else -1,
            free_bytes=health.free_bytes if health else -1,
        )

    def _daemon(self, others: list[AnyFact], past: Figures, datagrams_sent: int, bad_datagrams: int) -> DaemonFact:
        parts, pid = self._parts, os.getpid()
        return DaemonFact(
            version=parts.version,
            pid=parts.supervisor_pid,
            started=parts.boot / 1e6,
            config_hash=parts.config_hash,
            store=parts.store,
            workers_wanted=sum(fact.state != "closed" for fact in self._workers),
            hub_pid=pid,
            hub_started=self._sender / 1e6,
            hub_cpu_seconds=cpu_seconds(pid),
            hub_rss_bytes=rss_bytes(pid),
            probe_seconds=round(self.prober.seen.probe_seconds, 4),
            events_dropped=parts.channels.ledger.events_dropped,
            datagrams_sent=datagrams_sent,
            bad_datagrams=bad_datagrams,
            workers=len(self._workers),
            flows=len(self._book.facts),
            depths=len(self._backlog.depths),
            queues=sum(isinstance(fact, QueueFact) for fact in others),
            pauses=sum(isinstance(fact, PauseFact) for fact in others),
            recent_deaths=past.recent_deaths,
            connections=sum(isinstance(fact, ConnectionFact) for fact in others),
            limits=sum(isinstance(fact, LimitFact) for fact in others),
            schedules=sum(isinstance(fact, ScheduleFact) for fact in others),
        )


def _with_past(fact: QueueFact, recent: Recent) -> QueueFact:
    if not recent.handlings:
        return fact
    return msgspec.structs.replace(fact, recent_failed=recent.failed, recent_handlings=recent.handlings)

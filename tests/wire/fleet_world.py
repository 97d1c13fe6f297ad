"""Daemons to fold: a model that lives through boots and hubs, and the datagrams that it would send meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from snqd.telemetry.facts import AnyFact, DepthFact, EventFact, FlowFact, QueueFact, WorkerFact
from snqd.telemetry.wire import Datagram, Header
from tests.support.telemetry import ALARM, BOOT, CANARY, DAEMON, DEPTH, EVENT, FLOW, MEMORY, QUEUE, STORE, WORKER

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from snqd.telemetry.daemon_view import DaemonView

QUEUES = ("mail", "push", "search")
SITES = ("", "a.example", "b.example")
_set = msgspec.structs.replace

FLOW_COUNTS = (
    "claimed", "handled", "failed", "retried", "released", "dead_lettered", "discarded", "bad_items", "leases_lost",
    "reclaimed"
)  # fmt: skip
DEPTH_COUNTS = ("ready", "scheduled", "in_flight", "dead", "enqueued")


class World:
    """One daemon. `step` lets something happen and returns the datagrams that tell of it."""

    def __init__(self, name: str, source: random.Random) -> None:
        self.name = name
        self._random = source
        self.clock = 1_764_000_000.0
        self.boot = self.sender = BOOT
        self.session = 0
        self.sequence = 0
        self.events: list[EventFact] = []
        self.facts: dict[tuple[type, Any], AnyFact] = {}
        self._counters: dict[tuple[str, str], int] = {}
        self._begin_boot()

    def step(self) -> list[Datagram]:
        self.clock += self._random.choice((0.01, 0.3, 1.0))
        happening = self._random.choices(
            (self._work, self._vanish, self._tell_event, self._new_session, self._new_hub, self._begin_boot),
            (60, 8, 12, 4, 4, 3),
        )[0]
        happening()
        if self._random.random() < 0.2:
            return self.rotation()
        some = self._random.sample(list(self.facts.values()), min(4, len(self.facts)))
        return [self._datagram([*some, *self.events[-2:]])]

    def rotation(self) -> list[Datagram]:
        """Everything that there is now, in several datagrams and any order."""
        told = [self.daemon(), *self.facts.values(), *self.events]
        self._random.shuffle(told)
        return [self._datagram(told[begin : begin + 5]) for begin in range(0, len(told), 5)]

    def new_session(self) -> None:
        self._new_session()

    def daemon(self) -> AnyFact:
        numbers = {kind: sum(found is kind for found, _key in self.facts) for kind in _COUNTED}
        return _set(DAEMON, **{name: numbers[kind] for kind, name in _COUNTED.items()})

    def _datagram(self, facts: list[AnyFact]) -> Datagram:
        self.sequence += 1
        header = Header(self.name, "host1", self.boot, self.sender, self.sequence, self.clock, self.session)
        return Datagram(header, tuple(facts))

    def _put(self, fact: AnyFact) -> None:
        self.facts[type(fact), fact.key] = fact

    def _work(self) -> None:
        queue, site = self._random.choice(QUEUES), self._random.choice(SITES)
        done = self._counters[queue, site] = self._counters.get((queue, site), 0) + self._random.randrange(1, 50)
        seconds = done * 0.1 + 0.2
        times = {"run": (done % 9, done, 20, 1), "run_seconds": seconds, "wait_seconds": seconds / 3}
        counts = {name: done * (place + 2) for place, name in enumerate(FLOW_COUNTS)}  # no two are alike
        self._put(_set(FLOW, queue=queue, site=site, **counts, **times))
        ready = self._random.randrange(5)
        counts = {name: ready * (place + 2) + done for place, name in enumerate(DEPTH_COUNTS)}
        counts |= {"ready": ready, "is_estimate": ready % 2 == 1}
        self._put(_set(DEPTH, queue=queue, site=site, lag_seconds=ready * 1.1, **counts))
        self._put(_set(QUEUE, queue=queue, workers=self._random.randrange(3)))
        self._put(_set(WORKER, worker=f"{self.name}.{self._random.randrange(1, 4)}", handled=done))
        self._put(_set(STORE, round_trip_seconds=seconds))
        self._put(self._random.choice((ALARM, MEMORY, CANARY)))

    def _vanish(self) -> None:
        if self.facts:
            del self.facts[self._random.choice(list(self.facts))]

    def _tell_event(self) -> None:
        number = self.events[-1].number + 1 if self.events else 1
        self.events.append(_set(EVENT, number=number, at=self.clock, message=f"{self.sender} {number}"))

    def _new_session(self) -> None:
        self.session, self.sequence = self._random.getrandbits(60), 0

    def _new_hub(self) -> None:
        self.sender += self._random.randrange(1, 10**6)
        self.sequence = 0
        self.events = []

    def _begin_boot(self) -> None:
        self.boot += self._random.randrange(1, 10**9)
        self.sender = max(self.sender, self.boot)
        self._new_hub()
        self.facts.clear()
        self._counters.clear()
        self._work()


_COUNTED = {WorkerFact: "workers", FlowFact: "flows", DepthFact: "depths", QueueFact: "queues"}


def journey(world: World, steps: int) -> Iterator[Datagram]:
    for _ in range(steps):
        yield from world.step()


def known(view: DaemonView) -> dict[tuple[type, Any], AnyFact]:
    """What the view knows, in the form of `World.facts`."""
    tables = (
        view.workers,
        view.flows,
        view.depths,
        view.queues,
        view.alarms,
        view.memory,
        view.canaries,
        view.connections,
        view.limits,
        view.schedules,
    )
    facts: list[AnyFact] = [fact for table in tables for fact in table.values()]
    if view.store is not None:
        facts.append(view.store)
    return {(type(fact), fact.key): fact for fact in facts}

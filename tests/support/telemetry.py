"""Facts and datagrams for tests: everything has a value, and a test says only what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from snqd.telemetry.facts import (
    AlarmFact,
    AnyFact,
    CanaryFact,
    ConnectionFact,
    CounterFact,
    DaemonFact,
    DepthFact,
    EventFact,
    FlowFact,
    LimitFact,
    MemoryFact,
    PauseFact,
    QueueFact,
    ScheduleFact,
    StoreFact,
    WorkerFact,
)
from snqd.telemetry.wire import Datagram, Header

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.telemetry.fleet import Fleet

F = TypeVar("F", bound=AnyFact)

BOOT = 1_764_000_000_000_000
KEY = b"0123456789abcdef"
HEADER = Header(daemon="main", host="host1", boot=BOOT, sender=BOOT + 5, sequence=1, sent_at=1_764_000_000.0)

DAEMON = DaemonFact(
    "0.1.0", 100, 1_764_000_000.0, "c0ffee", "sqlite:///x.db", 1, 101, 1_764_000_000.5, 0.5, 2**25, 0.1, 0, 10, 0,
    0, 0, 0, 0,
)  # fmt: skip
WORKER = WorkerFact(
    "main.1", 200, "running", "handling", 1_764_000_000.0, 1_764_000_001.0, 7, "mail", "a.example", 1_764_000_001.0,
    1, 9, 8, 1, 0, 0, 0, 0, 2**25, 2**28, 1.5, 0, "", 0.0,
)  # fmt: skip
FLOW = FlowFact("mail", "a.example", 9, 8, 1, 0, 0, 0, 0, 0, 0, 0, (40, 5, 41, 3), 0.25, (50, 8), 1.25)
DEPTH = DepthFact("mail", "a.example", 3, 1, 1, 2.5, 0, False, 1_764_000_001.0, 13)
STORE = StoreFact("sqlite", True, "", 1_764_000_000.0, 0.0002, 4096, 4096, -1, 0.0, 0, 0.0, "")
EVENT = EventFact(1, 1_764_000_001.0, "WorkerReady", "info", "main.1 is ready", {"worker": "main.1", "items": (1, 2)})
ALARM = AlarmFact("lag", "mail", True, 1_764_000_001.0, 400.0, 300.0, "mail waits for 400 s")
MEMORY = MemoryFact("main.1", "mail", -4096, 9, -1.0)
CANARY = CanaryFact("mail", 3, 2, 1_764_000_001.0, 1_764_000_000.0, 0.01)
QUEUE = QueueFact("mail", 1, True, "", 1.5, 1.25, 12.0, True)
COUNTER = CounterFact("xmpp_process", "thread:xmpp.1", 5)
PAUSE = PauseFact("mail", "a.example", "anna", "the relay is down", 1_764_000_001.0, 1_764_003_601.0, 0.0, "")
CONNECTION = ConnectionFact(
    "main.1", "xmpp", "update@a.example", "a.example", "connected", 1_764_000_001.0, "", 0.0, 0.002, 9, 8, 1, 3, 1
)  # fmt: skip
LIMIT = LimitFact("mail", "*", 5, 0.5)
SCHEDULE = ScheduleFact("nightly", "mail", "a.example", 3, "main@db7", 1_764_000_000.0, 12.5, "")
ONE_OF_EACH: tuple[AnyFact, ...] = (
    DAEMON, WORKER, FLOW, DEPTH, STORE, EVENT, ALARM, MEMORY, CANARY, QUEUE, COUNTER, PAUSE,
    CONNECTION, LIMIT, SCHEDULE
)  # fmt: skip


def changed(fact: F, **values: Any) -> F:
    return msgspec.structs.replace(fact, **values)


def datagram(*facts: AnyFact, **header: Any) -> Datagram:
    """A datagram of `HEADER` with other values."""
    return Datagram(msgspec.structs.replace(HEADER, **header), facts)


def apply(fleet: Fleet, datagrams: Iterable[Datagram], *, now: float = 0.0) -> None:
    for each in datagrams:
        fleet.apply(each, source="192.0.2.1:5480", now=now)

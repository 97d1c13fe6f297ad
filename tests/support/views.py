"""Views of a daemon for tests of what is said of it: real folds of the facts that a test names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from snqd.telemetry.facts import (
    AlarmFact,
    AnyFact,
    CanaryFact,
    ConnectionFact,
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
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, Header

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView

NOON = 1_800_000_000.0
"""The daemon's time (epoch seconds) when a test begins."""
F = TypeVar("F", bound=AnyFact)


class Stage:
    """A daemon as the hub sees it. `show` tells all facts anew, as the hub does every second."""

    def __init__(self) -> None:
        self.now = NOON
        self.boot = int(NOON)
        """When the daemon was started, here in seconds: another number is another life."""
        self._fleet = Fleet()
        self._sequence = 0
        self.told: Datagram | None = None
        """What was shown last, as it comes over the wire."""

    def show(self, *facts: AnyFact, is_complete: bool = True) -> DaemonView:
        """The view after these facts, and the daemon's own, which counts them unless a test brings it."""
        told = list(facts)
        if not any(isinstance(fact, DaemonFact) for fact in facts):
            told.append(daemon_fact(facts, is_complete=is_complete))
        self._sequence += 1
        header = Header("main", "host", self.boot, self.boot, self._sequence, self.now)
        self.told = Datagram(header, tuple(told))
        self._fleet.apply(self.told, source="test", now=self.now)
        return self._fleet.daemons["main@host"]


def view_of(*facts: AnyFact, is_complete: bool = True) -> DaemonView:
    """At `NOON`, by both clocks."""
    return Stage().show(*facts, is_complete=is_complete)


def daemon_fact(facts: tuple[AnyFact, ...] = (), *, is_complete: bool = True, **changes: Any) -> DaemonFact:
    """One that promises as many facts as there are, or one more."""

    def count(kind: type) -> int:
        return sum(isinstance(fact, kind) for fact in facts) + (not is_complete)

    given: dict[str, Any] = {
        "pid": 4000, "store": "postgresql://snqd@db.example/queue", "started": NOON - 3600, "workers_wanted": 2,
        "workers": count(WorkerFact), "flows": count(FlowFact), "depths": count(DepthFact), "queues": count(QueueFact),
        "pauses": count(PauseFact), "connections": count(ConnectionFact),
        "limits": count(LimitFact), "schedules": count(ScheduleFact),
    }  # fmt: skip
    return _made(DaemonFact, given | changes)


def worker(number: int = 1, **changes: Any) -> WorkerFact:
    """One that waits for items."""
    given = {"worker": f"main.{number}", "pid": 4000 + number, "state": "running", "phase": "idle", "beat": NOON - 0.5}
    return _made(WorkerFact, given | {"spawned": NOON - 3600} | changes)


def busy(number: int = 1, *, queue: str = "mail", item: int = 7, seconds: float = 2.0, **changes: Any) -> WorkerFact:
    """One that runs an item."""
    doing = {"phase": "handling", "running": 1, "queue": queue, "site": "a.example", "item": item}
    return worker(number, **(doing | {"item_started": NOON - seconds} | changes))


def queue(name: str = "mail", **changes: Any) -> QueueFact:
    """One that is served, and does not move."""
    given = {"queue": name, "workers": 2, "has_handler": True, "drain_seconds": -1.0, "paused": ""}
    return _made(QueueFact, given | changes)


def connection(name: str = "update@a.example", **changes: Any) -> ConnectionFact:
    """One that is there, since an hour."""
    known = {"worker": "main.1", "service": "xmpp", "name": name, "state": "connected", "since": NOON - 3600.0}
    return _made(ConnectionFact, known | changes)


def pause(name: str = "", site: str = "", **changes: Any) -> PauseFact:
    """One that anna has made two hours before."""
    return _made(PauseFact, {"queue": name, "site": site, "author": "anna", "since": NOON - 7200.0} | changes)


def limit(name: str = "", site: str = "", **changes: Any) -> LimitFact:
    return _made(LimitFact, {"queue": name, "site": site} | changes)


def schedule(name: str = "nightly", **changes: Any) -> ScheduleFact:
    given = {"name": name, "queue": "mail", "site": "a.example", "sites": 1, "declared_by": "main@db7", "due": NOON}
    return _made(ScheduleFact, given | changes)


def depth(name: str = "mail", site: str = "a.example", **changes: Any) -> DepthFact:
    given = {"queue": name, "site": site, "at": NOON - 1.0, "lag_seconds": 90.0 if changes.get("ready") else 0.0}
    return _made(DepthFact, given | changes)


def flow(name: str = "mail", site: str = "a.example", **changes: Any) -> FlowFact:
    return _made(FlowFact, {"queue": name, "site": site} | changes)


def store(**changes: Any) -> StoreFact:
    given = {"kind_of_store": "postgres", "connected": True, "since": NOON - 3600, "round_trip_seconds": 0.0012}
    return _made(StoreFact, given | {"table_bytes": -1, "index_bytes": -1, "dead_rows": -1} | changes)


def memory(number: int = 1, name: str = "mail", **changes: Any) -> MemoryFact:
    return _made(MemoryFact, {"worker": f"main.{number}", "queue": name, "limit_in_seconds": -1.0} | changes)


def canary(name: str = "mail", **changes: Any) -> CanaryFact:
    return _made(CanaryFact, {"queue": name, "last_seconds": -1.0} | changes)


def alarm(name: str, subject: str = "mail", **changes: Any) -> AlarmFact:
    given = {"is_raised": True, "since": NOON - 60, "value": 1.0, "threshold": 1.0, "message": f"{subject} is bad"}
    return _made(AlarmFact, {"name": name, "subject": subject} | given | changes)


def event(name: str, number: int = 1, *, seconds_ago: float = 5.0, **fields: Any) -> EventFact:
    given = {"number": number, "at": NOON - seconds_ago, "name": name, "level": "warning", "message": f"{name}!"}
    return _made(EventFact, given | {"fields": fields})


_NOTHING: dict[type, dict[str, Any]] = {}


def _made(kind: type[F], given: dict[str, Any]) -> F:
    """What is not given is 0, empty or false."""
    if kind not in _NOTHING:
        known = {str: "", bool: False, int: 0, float: 0.0}
        hints = get_type_hints(kind)
        _NOTHING[kind] = {name: known.get(hints[name], ()) for name in kind.__struct_fields__}
    return kind(**_NOTHING[kind] | given)

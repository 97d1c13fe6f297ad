"""A daemon's view, made of facts, for exporters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.telemetry.facts import AlarmFact, DaemonFact, DepthFact, FlowFact, StoreFact, WorkerFact
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.histogram import bucket_of
from snqd.telemetry.wire import Datagram, Header

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AnyFact


def flow(queue: str = "mail", site: str = "a.example", **fields: Any) -> FlowFact:
    """`run` and `wait` are given as seconds → how many."""
    whole: dict[str, Any] = dict.fromkeys(FlowFact.__struct_fields__, 0) | {"queue": queue, "site": site} | fields
    for name in ("run", "wait"):
        found = fields.get(name, {})
        whole[name] = tuple(number for seconds in sorted(found) for number in (bucket_of(seconds), found[seconds]))
    return FlowFact(**whole)


def depth(queue: str = "mail", site: str = "a.example", **fields: Any) -> DepthFact:
    whole: dict[str, Any] = dict.fromkeys(DepthFact.__struct_fields__, 0)
    return DepthFact(**whole | {"queue": queue, "site": site, "is_estimate": False} | fields)


def worker(name: str, **fields: Any) -> WorkerFact:
    texts = {"worker": name, "state": "running", "phase": "idle", "queue": "", "site": "", "exit_reason": ""}
    return WorkerFact(**dict.fromkeys(WorkerFact.__struct_fields__, 0) | texts | fields)


def store(**fields: Any) -> StoreFact:
    texts: dict[str, Any] = {"kind_of_store": "sqlite", "connected": True, "problem": "", "pin_query": ""}
    return StoreFact(**dict.fromkeys(StoreFact.__struct_fields__, 0) | texts | fields)


def alarm(name: str, *, is_raised: bool = True) -> AlarmFact:
    return AlarmFact(
        name=name, subject="mail", is_raised=is_raised, since=0.0, value=0.0, threshold=0.0, message=""
    )  # fmt: skip


class Told:
    """Tells a fleet about one daemon, as the hub does."""

    def __init__(self, *, boot: int = 1, name: str = "main", host: str = "web1.example") -> None:
        self._fleet = Fleet()
        self._name, self._host = name, host
        self._sequence = 0
        self.boot = boot

    @property
    def view(self) -> DaemonView:
        return self._fleet.daemons[f"{self._name}@{self._host}"]

    def tell(self, *facts: AnyFact, at: float | None = None, missing_flows: int = 0) -> DaemonView:
        """`missing_flows`: how many more flows the daemon says that it has."""
        self._sequence += 1
        sent_at = float(self._sequence) if at is None else at
        flows = {fact.key for fact in facts if isinstance(fact, FlowFact)}
        if self._fleet.daemons:
            flows |= set(self.view.flows)
        texts = {"version": "1", "config_hash": "", "store": "", "dialect": ""}
        counts = {"flows": len(flows) + missing_flows, "hub_rss_bytes": 50_000_000}
        daemon = DaemonFact(**dict.fromkeys(DaemonFact.__struct_fields__, 0) | texts | counts)  # type: ignore[arg-type]
        header = Header(self._name, self._host, self.boot, self.boot, self._sequence, sent_at)
        self._fleet.apply(Datagram(header, (daemon, *facts)), source="test", now=sent_at)
        return self.view

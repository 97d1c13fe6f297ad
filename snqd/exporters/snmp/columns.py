"""What SNQD-MIB has to read: every object with its number, its kind, and how its figure is read from a row.

Objects are called as the same figures are in the rest of telemetry, without the unit, which the MIB's UNITS clause
says: `in_flight` of a queue is `snqdQueueInFlight`. A test holds all of it against the MIB.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.exporters.snmp.kinds import (
    AGE,
    COUNTER32,
    COUNTER64,
    GAUGE,
    HEALTH,
    KIBIBYTES,
    MICROSECONDS,
    MILLISECONDS,
    MILLISECONDS_COUNTER,
    SIGNED,
    STAMP,
    TEXT,
    THOUSANDTHS,
    TRUTH,
    UNSIGNED,
    UPTIME,
    Kind,
    states,
)
from snqd.telemetry.health import CRITICAL_ALARMS, Code, claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.rows import AlarmRow, DaemonRow, QueueRow, StoreRow, WorkerRow
    from snqd.telemetry.facts import WorkerFact

BASE: Final[Oid] = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7777)
"""snqdMIB. With an enterprise number of our own this line and the MIB's import change."""
OBJECTS: Final[Oid] = (*BASE, 1)
NEVER: Final = inf


class Column(NamedTuple):
    """One object of a group or table."""

    number: int
    name: str
    """As in telemetry, without a unit."""
    kind: Kind
    read: Callable[[Any], Any]
    """From the row; None = the row has no such object now."""


class Group(NamedTuple):
    """A table, or scalars. `oid`: of the table's entry, or of the scalars' node."""

    prefix: str
    oid: Oid
    columns: tuple[Column, ...]

    def object_name(self, column: Column) -> str:
        """As in the MIB."""
        return self.prefix + "".join(part[:1].upper() + part[1:] for part in column.name.split("_"))


SLOT_STATES: Final = states(("closed", "starting", "running", "stopping", "backoff", "fatal"))
PHASES: Final = states(("starting", "idle", "claiming", "handling", "draining", "stopped", "standby"))


def _work(first: int) -> tuple[Column, ...]:
    """What is told alike of a queue, a site, both and all: of `row.totals`, and `row.enqueued`."""
    told: tuple[tuple[str, Kind, Callable[[Any], Any]], ...] = (
        ("depth", GAUGE, lambda row: row.totals.ready),
        ("scheduled", GAUGE, lambda row: row.totals.scheduled),
        ("paused", GAUGE, lambda row: row.totals.paused),
        ("in_flight", GAUGE, lambda row: row.totals.in_flight),
        ("dead", GAUGE, lambda row: row.totals.dead),
        ("is_estimate", TRUTH, lambda row: row.totals.estimates),
        ("lag", MILLISECONDS, lambda row: row.totals.lag_seconds),
        ("enqueued", COUNTER64, lambda row: row.enqueued),
        ("claimed", COUNTER64, lambda row: row.totals.claimed),
        ("handled", COUNTER64, lambda row: row.totals.handled),
        ("failed", COUNTER64, lambda row: row.totals.failed),
        ("retried", COUNTER64, lambda row: row.totals.retried),
        ("released", COUNTER64, lambda row: row.totals.released),
        ("dead_lettered", COUNTER64, lambda row: row.totals.dead_lettered),
        ("discarded", COUNTER64, lambda row: row.totals.discarded),
        ("bad_items", COUNTER64, lambda row: row.totals.bad_items),
        ("leases_lost", COUNTER64, lambda row: row.totals.leases_lost),
        ("reclaimed", COUNTER64, lambda row: row.totals.reclaimed),
    )
    return tuple(Column(number, *each) for number, each in enumerate(told, first))


def _label(row: Any) -> str:
    return str(row.label)


def _severity(row: AlarmRow) -> Code:
    if not row.fact.is_raised:
        return Code.OK
    return Code.CRITICAL if row.fact.name in CRITICAL_ALARMS else Code.WARNING


def _if_known(value: float) -> float | None:
    """Figures of the store that are not known are below 0."""
    return value if value >= 0 else None


def _quantile(which: str, share: float) -> Callable[[QueueRow], float | None]:
    return lambda row: row.quantile(which, share)


def _of_queue(read: Callable[[Any], Any], default: Any = 0) -> Callable[[QueueRow], Any]:
    """From the queue's fact, which is not there while the queue is only known by its items."""
    return lambda row: default if row.fact is None else read(row.fact)


def _of_daemon(read: Callable[[Any], Any]) -> Callable[[DaemonRow], Any]:
    return lambda row: read(row.fact)


def _of_workers(figure: Callable[[WorkerFact, float], float]) -> Callable[[DaemonRow], float]:
    """The sum over all workers; `figure` is also given the daemon's clock, as of when it spoke."""
    return lambda row: sum(figure(fact, row.view.sent_at) for fact in row.view.workers.values())


def _of_worker(read: Callable[[Any], Any]) -> Callable[[WorkerRow], Any]:
    return lambda row: read(row.fact)


def _of_store(read: Callable[[Any], Any]) -> Callable[[StoreRow], Any]:
    return lambda row: read(row.fact)


def _since(read: Callable[[Any], float]) -> Callable[[Any], float]:
    """The time since a time of the daemon's clock; 0 where there is none, and for times to come."""
    return lambda row: max(0.0, row.now - read(row.fact)) if read(row.fact) else 0.0


def _since_if_any(read: Callable[[Any], float]) -> Callable[[Any], float | None]:
    return lambda row: max(0.0, row.now - read(row.fact)) if read(row.fact) else None


def _item(row: WorkerRow) -> str:
    return str(row.fact.item) if row.fact.running else ""


DAEMON: Final = Group(
    "snqd",
    (*OBJECTS, 1),
    (
        Column(1, "name", TEXT, lambda row: row.view.name),
        Column(2, "host", TEXT, lambda row: row.view.host),
        Column(3, "version", TEXT, _of_daemon(lambda fact: fact.version)),
        Column(4, "pid", UNSIGNED, _of_daemon(lambda fact: fact.pid)),
        Column(5, "up_time", UPTIME, _since(lambda fact: fact.started)),
        Column(6, "health", HEALTH, lambda row: row.health.code),
        Column(7, "health_text", TEXT, lambda row: row.health.line),
        Column(8, "sample_sequence", COUNTER32, lambda row: row.sequence),
        Column(9, "sample_age", MILLISECONDS, lambda row: row.age_seconds),
        Column(10, "table_last_change", STAMP, lambda row: row.changed_at),
        Column(11, "events_dropped", COUNTER64, _of_daemon(lambda fact: fact.events_dropped)),
        Column(12, "hub_pid", UNSIGNED, _of_daemon(lambda fact: fact.hub_pid)),
        Column(13, "hub_up_time", UPTIME, _since(lambda fact: fact.hub_started)),
        Column(14, "hub_cpu", MILLISECONDS_COUNTER, _of_daemon(lambda fact: fact.hub_cpu_seconds)),
        Column(15, "hub_rss", KIBIBYTES, _of_daemon(lambda fact: fact.hub_rss_bytes)),
        Column(16, "datagrams_sent", COUNTER64, _of_daemon(lambda fact: fact.datagrams_sent)),
        Column(17, "bad_datagrams", COUNTER64, _of_daemon(lambda fact: fact.bad_datagrams)),
        Column(18, "workers_wanted", GAUGE, _of_daemon(lambda fact: fact.workers_wanted)),
        Column(19, "workers", GAUGE, lambda row: row.workers),
        Column(20, "respawns", COUNTER64, lambda row: sum(each.respawns for each in row.view.workers.values())),
        Column(21, "queues", GAUGE, lambda row: row.queues),
        Column(22, "sites", GAUGE, lambda row: row.sites),
        Column(23, "site_row_limit", GAUGE, lambda row: row.site_row_limit),
        Column(24, "queue_sites", GAUGE, lambda row: row.queue_sites),
        Column(25, "queue_site_row_limit", GAUGE, lambda row: row.queue_site_row_limit),
        Column(26, "alarms", GAUGE, lambda row: sum(each.is_raised for each in row.view.alarms.values())),
        Column(27, "workers_claiming", GAUGE, _of_workers(claims)),
        Column(28, "workers_busy", GAUGE, _of_workers(lambda fact, _there: fact.running > 0)),
        Column(29, "workers_rss", KIBIBYTES, _of_workers(lambda fact, _there: fact.rss_bytes)),
        Column(30, "recent_deaths", GAUGE, _of_daemon(lambda fact: fact.recent_deaths)),
    ),
)
TOTALS: Final = Group("snqdTotal", (*OBJECTS, 2), _work(1))
QUEUES: Final = Group(
    "snqdQueue",
    (*OBJECTS, 3, 1),
    (
        Column(2, "label", TEXT, _label),
        Column(3, "health", HEALTH, lambda row: row.health),
        Column(4, "is_paused", TRUTH, _of_queue(lambda fact: fact.paused)),
        Column(5, "has_handler", TRUTH, _of_queue(lambda fact: fact.has_handler)),
        Column(6, "workers", GAUGE, _of_queue(lambda fact: fact.workers)),
        *_work(7),
        Column(25, "run_p50", MILLISECONDS, _quantile("run", 0.50)),
        Column(26, "run_p95", MILLISECONDS, _quantile("run", 0.95)),
        Column(27, "run_p99", MILLISECONDS, _quantile("run", 0.99)),
        Column(28, "wait_p50", MILLISECONDS, _quantile("wait", 0.50)),
        Column(29, "wait_p95", MILLISECONDS, _quantile("wait", 0.95)),
        Column(30, "wait_p99", MILLISECONDS, _quantile("wait", 0.99)),
        Column(31, "in_rate", THOUSANDTHS, _of_queue(lambda fact: fact.in_per_second)),
        Column(32, "out_rate", THOUSANDTHS, _of_queue(lambda fact: fact.out_per_second)),
        Column(
            33, "drain", MILLISECONDS, _of_queue(lambda fact: NEVER if fact.drain_seconds < 0 else fact.drain_seconds)
        ),
        Column(34, "is_growing", TRUTH, _of_queue(lambda fact: fact.is_growing)),
        Column(35, "recent_failed", GAUGE, _of_queue(lambda fact: fact.recent_failed)),
        Column(36, "recent_handlings", GAUGE, _of_queue(lambda fact: fact.recent_handlings)),
        Column(37, "in_flight_limit", GAUGE, _of_queue(lambda fact: fact.in_flight_limit)),
        Column(38, "rate_limit", THOUSANDTHS, _of_queue(lambda fact: fact.rate_limit)),
        Column(39, "is_held_back", TRUTH, _of_queue(lambda fact: fact.held_back)),
        Column(40, "held_back_by", TEXT, _of_queue(lambda fact: fact.held_back, "")),
    ),
)
SITES: Final = Group("snqdSite", (*OBJECTS, 4, 1), (Column(2, "label", TEXT, _label), *_work(7)))
QUEUE_SITES: Final = Group("snqdQueueSite", (*OBJECTS, 5, 1), (Column(2, "label", TEXT, _label), *_work(7)))
WORKERS: Final = Group(
    "snqdWorker",
    (*OBJECTS, 6, 1),
    (
        Column(2, "name", TEXT, _of_worker(lambda fact: fact.worker)),
        Column(3, "pid", UNSIGNED, _of_worker(lambda fact: fact.pid)),
        Column(4, "state", SLOT_STATES, _of_worker(lambda fact: fact.state)),
        Column(5, "phase", PHASES, _of_worker(lambda fact: fact.phase)),
        Column(6, "age", AGE, _since(lambda fact: fact.spawned if fact.pid else 0.0)),
        Column(7, "beat", MILLISECONDS, _since(lambda fact: fact.beat if fact.pid else 0.0)),
        Column(8, "item", TEXT, _item),
        Column(9, "queue", TEXT, _of_worker(lambda fact: fact.queue)),
        Column(10, "site", TEXT, _of_worker(lambda fact: fact.site)),
        Column(11, "item_age", MILLISECONDS, _since(lambda fact: fact.item_started if fact.running else 0.0)),
        Column(12, "running", GAUGE, _of_worker(lambda fact: fact.running)),
        Column(13, "claimed", COUNTER64, _of_worker(lambda fact: fact.claimed)),
        Column(14, "handled", COUNTER64, _of_worker(lambda fact: fact.handled)),
        Column(15, "failed", COUNTER64, _of_worker(lambda fact: fact.failed)),
        Column(16, "retried", COUNTER64, _of_worker(lambda fact: fact.retried)),
        Column(17, "dead_lettered", COUNTER64, _of_worker(lambda fact: fact.dead_lettered)),
        Column(18, "discarded", COUNTER64, _of_worker(lambda fact: fact.discarded)),
        Column(19, "released", COUNTER64, _of_worker(lambda fact: fact.released)),
        Column(20, "rss", KIBIBYTES, _of_worker(lambda fact: fact.rss_bytes)),
        Column(21, "memory_limit", KIBIBYTES, _of_worker(lambda fact: fact.memory_limit_bytes)),
        Column(22, "cpu", MILLISECONDS, _of_worker(lambda fact: fact.cpu_seconds)),
        Column(23, "respawns", COUNTER32, _of_worker(lambda fact: fact.respawns)),
        Column(24, "exit_reason", TEXT, _of_worker(lambda fact: fact.exit_reason)),
        Column(25, "exit_age", AGE, _since_if_any(lambda fact: fact.exit_at)),
    ),
)
STORES: Final = Group(
    "snqdStore",
    (*OBJECTS, 7, 1),
    (
        Column(2, "kind", TEXT, _of_store(lambda fact: fact.kind_of_store)),
        Column(3, "connected", TRUTH, _of_store(lambda fact: fact.connected)),
        Column(4, "problem", TEXT, _of_store(lambda fact: fact.problem)),
        Column(5, "since_age", AGE, _since(lambda fact: fact.since)),
        Column(6, "round_trip", MICROSECONDS, _of_store(lambda fact: _if_known(fact.round_trip_seconds))),
        Column(7, "table_size", KIBIBYTES, _of_store(lambda fact: _if_known(fact.table_bytes))),
        Column(8, "index_size", KIBIBYTES, _of_store(lambda fact: _if_known(fact.index_bytes))),
        Column(9, "dead_rows", GAUGE, _of_store(lambda fact: _if_known(fact.dead_rows))),
        Column(10, "autovacuum_age", AGE, _since_if_any(lambda fact: fact.last_autovacuum)),
        Column(11, "pin_pid", SIGNED, _of_store(lambda fact: fact.pin_pid)),
        Column(12, "pin_age", MILLISECONDS, _of_store(lambda fact: fact.pin_age_seconds)),
        Column(13, "pin_query", TEXT, _of_store(lambda fact: fact.pin_query)),
    ),
)
ALARMS: Final = Group(
    "snqdAlarm",
    (*OBJECTS, 8, 1),
    (
        Column(3, "label", TEXT, lambda row: f"{row.fact.name} {row.fact.subject}"),
        Column(4, "is_raised", TRUTH, lambda row: row.fact.is_raised),
        Column(5, "severity", HEALTH, _severity),
        Column(6, "since_age", AGE, _since(lambda fact: fact.since)),
        Column(7, "value", THOUSANDTHS, lambda row: row.fact.value),
        Column(8, "threshold", THOUSANDTHS, lambda row: row.fact.threshold),
        Column(9, "message", TEXT, lambda row: row.fact.message),
    ),
)
NOTIFICATIONS: Final = Group(
    "snqdNotifications",
    (*OBJECTS, 10),
    (
        Column(1, "made", COUNTER64, lambda row: row.made),
        Column(2, "suppressed", COUNTER64, lambda row: row.suppressed),
        Column(3, "sent", COUNTER64, lambda row: row.sent),
        Column(4, "acknowledged", COUNTER64, lambda row: row.acknowledged),
        Column(5, "retried", COUNTER64, lambda row: row.retried),
        Column(6, "failed", COUNTER64, lambda row: row.failed),
        Column(7, "waiting", GAUGE, lambda row: row.waiting),
    ),
)
TARGETS: Final = Group(
    "snqdTarget",
    (*OBJECTS, 11, 1),
    (
        Column(2, "label", TEXT, _label),
        Column(3, "address", TEXT, lambda row: row.address),
        Column(4, "is_inform", TRUTH, lambda row: row.is_inform),
        Column(5, "sent", COUNTER64, lambda row: row.sent),
        Column(6, "acknowledged", COUNTER64, lambda row: row.acknowledged),
        Column(7, "retried", COUNTER64, lambda row: row.retried),
        Column(8, "failed", COUNTER64, lambda row: row.failed),
        Column(9, "waiting", GAUGE, lambda row: row.waiting),
        Column(10, "problem", TEXT, lambda row: row.problem),
    ),
)
GROUPS: Final = (DAEMON, TOTALS, QUEUES, SITES, QUEUE_SITES, WORKERS, STORES, ALARMS, NOTIFICATIONS, TARGETS)

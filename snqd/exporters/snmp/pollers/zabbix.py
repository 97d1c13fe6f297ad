"""A template for Zabbix 6.0 and newer: items, discovery of queues, sites and workers, triggers with thresholds.

An identifier is made of the name of what has it, so a template that is imported anew replaces the one before.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.exporters.snmp.columns import BASE, DAEMON, QUEUES, SITES, STORES, TOTALS, WORKERS

if TYPE_CHECKING:
    from snqd.exporters.snmp.columns import Group
    from snqd.exporters.snmp.mib import Mib, Object

NAME: Final = "snqd by SNMP"
_GROUP: Final = {"uuid": "a571c0d144b14fd4a87a9d9b2aa9fcd6", "name": "Templates/Applications"}
"""It is there in every Zabbix."""
_DATE: Final = "2026-11-26T00:00:00Z"
_EVERY: Final = "1m"
_EVERY_DISCOVERY: Final = "10m"

_DAEMON: Final = (
    "version", "up_time", "health", "health_text", "sample_age", "events_dropped", "bad_datagrams", "workers_wanted",
    "workers_claiming", "workers_busy", "workers_rss", "respawns", "recent_deaths", "alarms",
)  # fmt: skip
_TOTALS: Final = (
    "depth", "scheduled", "paused", "in_flight", "dead", "lag", "handled", "failed", "retried", "dead_lettered",
)  # fmt: skip
_STORE: Final = ("kind", "connected", "problem", "round_trip")
_QUEUE: Final = (
    "health", "is_paused", "workers", "depth", "scheduled", "in_flight", "dead", "lag", "handled", "failed",
    "dead_lettered", "recent_failed", "recent_handlings", "run_p95", "wait_p95",
)  # fmt: skip
_SITE: Final = ("depth", "in_flight", "dead", "lag", "handled", "failed")
_WORKER: Final = ("state", "phase", "running", "item_age", "rss", "respawns", "exit_reason")

_SCALES: Final = {
    "Milliseconds": ("0.001", "s"),
    "Microseconds": ("0.000001", "s"),
    "KibiBytes": ("1024", "B"),
    "TimeTicks": ("0.01", "uptime"),
}
"""Multiplier and unit."""
_COUNTERS: Final = ("Counter32", "Counter64")
_TRUTH: Final = (("1", "yes"), ("2", "no"))

MACROS: Final = {
    "{$SNQD.SAMPLE.MAX}": ("10", "Seconds after which what the agent knows is old."),
    "{$SNQD.LAG.WARN}": ("60", 'Seconds that an item may wait; {$SNQD.LAG.WARN:"NAME"} is for one queue.'),
    "{$SNQD.LAG.CRIT}": ("300", "The same, for a trigger that wakes somebody."),
    "{$SNQD.FAILURES.WARN}": ("20", "Per cent of a queue's handlings that may fail in five minutes."),
    "{$SNQD.DEATHS.WARN}": ("5", "Workers that may die within five minutes."),
    "{$SNQD.STORE.WARN}": ("0.5", "Seconds that the store may take to answer."),
}


class Trigger(NamedTuple):
    """`expression` has items as `{group.name}`, which become the host's own. `unless`: it is silent beside this one."""

    name: str
    expression: str
    priority: str
    about: str
    unless: Trigger | None = None


_NO_WORKER: Final = Trigger(
    "no worker can take items", "max({snqd.workers_claiming},3m)=0", "HIGH", "snqd status says what they do."
)
_TRIGGERS: Final = (
    Trigger("the agent does not answer", "nodata({snqd.sample_age},5m)=1", "HIGH", "Does the daemon run?"),
    Trigger(
        "the agent lives and what it knows is old",
        "min({snqd.sample_age},3m)>{$SNQD.SAMPLE.MAX}",
        "AVERAGE",
        "The hub is silent: every other figure is of then.",
    ),
    Trigger("health is critical", "last({snqd.health})=2", "HIGH", "The item of health in words says why."),
    Trigger("health is a warning", "last({snqd.health})=1", "WARNING", "The item of health in words says why."),
    Trigger("the store does not answer", "last({store.connected})=2", "HIGH", "Nothing is lost; nothing moves either."),
    Trigger(
        "the store is slow", "min({store.round_trip},5m)>{$SNQD.STORE.WARN}", "WARNING", "Look at the database's load."
    ),
    _NO_WORKER,
    Trigger(
        "fewer workers than wanted",
        "max({snqd.workers_claiming},5m)<last({snqd.workers_wanted})",
        "WARNING",
        "snqd status says what they do.",
        unless=_NO_WORKER,
    ),
    Trigger(
        "workers die",
        "last({snqd.recent_deaths})>{$SNQD.DEATHS.WARN}",
        "WARNING",
        "WorkerExited in the log says of what.",
    ),
)
_LAGS_BADLY: Final = Trigger(
    "queue {#QUEUE} lags badly",
    'min({queue.lag},3m)>{$SNQD.LAG.CRIT:"{#QUEUE}"} and last({queue.is_paused})=2',
    "HIGH",
    "snqd why {#QUEUE} says what mends it.",
)
_QUEUE_TRIGGERS: Final = (
    _LAGS_BADLY,
    Trigger(
        "queue {#QUEUE} lags",
        'min({queue.lag},3m)>{$SNQD.LAG.WARN:"{#QUEUE}"} and last({queue.is_paused})=2',
        "WARNING",
        "snqd why {#QUEUE} says what mends it.",
        unless=_LAGS_BADLY,
    ),
    Trigger(
        "queue {#QUEUE}: items were given up",
        "max({queue.dead_lettered},10m)>0",
        "WARNING",
        "snqd dead list --queue {#QUEUE}",
    ),
    Trigger(
        "queue {#QUEUE}: handlings fail",
        "last({queue.recent_handlings})>=20 and 100*last({queue.recent_failed})>"
        '{$SNQD.FAILURES.WARN:"{#QUEUE}"}*last({queue.recent_handlings})',
        "WARNING",
        "snqd why {#QUEUE} shows the last error.",
    ),
)
_WORKER_TRIGGERS: Final = (
    Trigger(
        "worker {#WORKER} is given up", "last({worker.state})=6", "AVERAGE", "Repair what it died of, then reload."
    ),
)


def template(mib: Mib) -> dict[str, Any]:
    """The whole file."""
    maker = _Maker(mib)
    found = {
        "uuid": _uuid("template"),
        "template": NAME,
        "name": NAME,
        "description": "The queue daemon snqd, by SNQD-MIB. The host needs an SNMP interface (port 1161).",
        "groups": [{"name": _GROUP["name"]}],
        "items": [
            *(maker.item("snqd", DAEMON, name, ".0") for name in _DAEMON),
            *(maker.item("total", TOTALS, name, ".0") for name in _TOTALS),
            *(maker.item("store", STORES, name, ".1") for name in _STORE),
        ],
        "discovery_rules": [
            maker.rule("queue", QUEUES, "label", "{#QUEUE}", _QUEUE, _QUEUE_TRIGGERS),
            maker.rule("site", SITES, "label", "{#SITE}", _SITE, ()),
            maker.rule("worker", WORKERS, "name", "{#WORKER}", _WORKER, _WORKER_TRIGGERS),
        ],
        "tags": [{"tag": "class", "value": "application"}, {"tag": "target", "value": "snqd"}],
        "macros": [{"macro": name, "value": value, "description": about} for name, (value, about) in MACROS.items()],
        "valuemaps": maker.value_maps(),
    }
    triggers = [_trigger(each, "") for each in _TRIGGERS]
    opening = {"version": "6.0", "date": _DATE, "groups": [_GROUP]}
    return {"zabbix_export": {**opening, "templates": [found], "triggers": triggers}}


class _Maker:
    def __init__(self, mib: Mib) -> None:
        self._mib = mib
        self._maps: dict[str, tuple[tuple[str, str], ...]] = {}

    def rule(
        self,
        prefix: str,
        group: Group,
        named_by: str,
        macro: str,
        names: tuple[str, ...],
        triggers: tuple[Trigger, ...],
    ) -> dict[str, Any]:
        """Finds the rows of a table; each has items of its own."""
        found = {
            "uuid": _uuid(f"rule {prefix}"),
            "name": f"snqd: {prefix}s",
            "type": "SNMP_AGENT",
            "snmp_oid": f"discovery[{macro},{self._oid(group, named_by)}]",
            "key": f"snqd.{prefix}.discovery",
            "delay": _EVERY_DISCOVERY,
            "lifetime": "1d",
            "item_prototypes": [self.item(prefix, group, name, ".{#SNMPINDEX}", f"{prefix} {macro}") for name in names],
        }
        if triggers:
            found["trigger_prototypes"] = [_trigger(each, "[{#SNMPINDEX}]") for each in triggers]
        return found

    def item(self, prefix: str, group: Group, name: str, index: str, subject: str = "") -> dict[str, Any]:
        found = self._object(group, name)
        syntax, about = found.syntax, found.about
        is_counter = syntax in _COUNTERS
        words = name.replace("_", " ")
        key = _key(prefix, name)
        of = subject or {"snqd": "daemon", "total": "all queues"}.get(prefix, prefix)
        item: dict[str, Any] = {
            "uuid": _uuid(f"item {key}"),
            "name": f"snqd: {of}: {words}{' per second' if is_counter else ''}",
            "type": "SNMP_AGENT",
            "snmp_oid": f"{self._oid(group, name)}{index}",
            "key": f"{key}[{{#SNMPINDEX}}]" if subject else key,
            "delay": _EVERY,
        }
        if syntax == "SnqdText":
            item |= {"trends": "0", "value_type": "TEXT"}
        elif is_counter or syntax in _SCALES or found.units == "thousandths":
            item["value_type"] = "FLOAT"
        if syntax in _SCALES:
            factor, item["units"] = _SCALES[syntax]
            item["preprocessing"] = [{"type": "MULTIPLIER", "parameters": [factor]}]
        elif is_counter:
            item["preprocessing"] = [{"type": "CHANGE_PER_SECOND", "parameters": [""]}]
        item["description"] = f"{found.name}: {about}"
        if (mapping := self._mapping(found)) is not None:
            item["valuemap"] = {"name": mapping}
        item["tags"] = [{"tag": "component", "value": prefix if prefix != "snqd" else "daemon"}]
        return item

    def value_maps(self) -> list[dict[str, Any]]:
        return [
            {
                "uuid": _uuid(f"map {name}"),
                "name": name,
                "mappings": [{"value": value, "newvalue": word} for value, word in words],
            }
            for name, words in sorted(self._maps.items())
        ]

    def _mapping(self, found: Object) -> str | None:
        """The name of the map of an enumeration's numbers."""
        syntax = self._mib.conventions.get(found.syntax, (found.syntax, ""))[0]
        words: tuple[tuple[str, str], ...]
        if found.syntax == "TruthValue":
            name, words = "snqd truth", _TRUTH
        elif syntax.startswith("INTEGER {"):
            name = f"snqd {'health' if found.syntax == 'SnqdHealthState' else found.name.removeprefix('snqd')}"
            words = tuple((number, word) for word, number in re.findall(r"(\w+)\((\d+)\)", syntax))
        else:
            return None
        self._maps[name] = words
        return name

    def _object(self, group: Group, name: str) -> Object:
        (column,) = [each for each in group.columns if each.name == name]
        return self._mib.objects[group.object_name(column)]

    def _oid(self, group: Group, name: str) -> str:
        return ".".join(map(str, (*BASE, *self._mib.path(self._object(group, name).name))))


def _trigger(trigger: Trigger, index: str) -> dict[str, Any]:
    found: dict[str, Any] = {"uuid": _uuid(f"trigger {trigger.name}"), **_told(trigger, index)}
    found |= {"priority": trigger.priority, "description": trigger.about}
    if trigger.unless is not None:
        found["dependencies"] = [_told(trigger.unless, index)]
    return found


def _told(trigger: Trigger, index: str) -> dict[str, str]:
    """What makes it out among the others."""

    def item(found: re.Match[str]) -> str:
        return f"/{NAME}/{_key(found[1], found[2])}{index}"

    expression = re.sub(r"\{(snqd|total|store|queue|worker)\.(\w+)\}", item, trigger.expression)
    return {"expression": expression, "name": f"snqd: {trigger.name}"}


def _key(prefix: str, name: str) -> str:
    return f"snqd.{name}" if prefix == "snqd" else f"snqd.{prefix}.{name}"


def _uuid(name: str) -> str:
    """Of version 4, as Zabbix wants it, and always the same one."""
    digits = list(blake2b(name.encode(), digest_size=16, person=b"snqd zabbix").hexdigest())
    digits[12], digits[16] = "4", "89ab"[int(digits[16], 16) % 4]
    return "".join(digits)

"""The module `snqd` of Prometheus' snmp_exporter: which objects it walks, and which metrics and labels come of them.

Metrics have the names and units of SNQD-MIB. An enumeration is one metric for each of its states, 1 for that which
holds; texts that change all the time are left out, since each would be a new series.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from snqd.exporters.snmp.columns import BASE, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.exporters.snmp.mib import Mib, Object

LABELS: Final = {
    "snqdQueueName": ("queue", "DisplayString"),
    "snqdSiteName": ("site", "DisplayString"),
    "snqdWorkerSlot": ("slot", "gauge"),
    "snqdStoreIndex": ("store", "gauge"),
    "snqdAlarmName": ("alarm", "DisplayString"),
    "snqdAlarmSubject": ("subject", "DisplayString"),
    "snqdTargetName": ("target", "DisplayString"),
}
"""Of the objects that are indices."""
_NAMES: Final = frozenset({"snqdName", "snqdHost", "snqdVersion", "snqdStoreKind"})
"""Texts that stay."""
_TRUTH: Final = {1: "true", 2: "false"}
_COMMUNITY: Final = "CHANGE-ME"


def since_023(mib: Mib) -> dict[str, Any]:
    """For snmp_exporter 0.23 and newer: who asks is apart from what is asked."""
    auths = {
        "snqd_v2": {"version": 2, "community": _COMMUNITY},
        "snqd_v3": {"version": 3, **_USER},
    }
    return {"auths": auths, "modules": {"snqd": _module(mib)}}


def before_023(mib: Mib) -> dict[str, Any]:
    """For older ones, such as Debian 12's: the module says who asks."""
    return {"snqd": {"version": 2, "auth": {"community": _COMMUNITY}, **_module(mib)}}


_USER: Final = {
    "username": "monitor",
    "security_level": "authPriv",
    "auth_protocol": "SHA256",
    "password": _COMMUNITY,
    "priv_protocol": "AES",
    "priv_password": _COMMUNITY,
}


def _module(mib: Mib) -> dict[str, Any]:
    return {"walk": [_dotted(OBJECTS)], "metrics": list(_metrics(mib))}


def _metrics(mib: Mib) -> Iterator[dict[str, Any]]:
    for found in mib.objects.values():
        kind = _kind(mib, found)
        if found.access != "read-only" or kind is None:
            continue
        oid = _dotted((*BASE, *mib.path(found.name)))
        unit = f" ({found.units})" if found.units else ""
        metric: dict[str, Any] = {"name": found.name, "oid": oid, **kind, "help": f"{found.about}{unit} - {oid}"}
        parent = mib.objects.get(found.parent)
        if parent is not None:
            metric["indexes"] = [{"labelname": LABELS[name][0], "type": LABELS[name][1]} for name in parent.indices]
        if found.parent == "snqdWorkerEntry":
            names = _dotted((*BASE, *mib.path("snqdWorkerName")))
            metric["lookups"] = [{"labels": ["slot"], "labelname": "worker", "oid": names, "type": "DisplayString"}]
        yield metric


def _kind(mib: Mib, found: Object) -> dict[str, Any] | None:
    """None: it makes no metric."""
    syntax = mib.conventions.get(found.syntax, (found.syntax, ""))[0]
    if found.syntax in ("Counter32", "Counter64"):
        return {"type": "counter"}
    if found.syntax == "TruthValue":
        return {"type": "EnumAsStateSet", "enum_values": _TRUTH}
    if syntax.startswith("INTEGER {"):
        states = re.findall(r"(\w+)\((\d+)\)", syntax)
        return {"type": "EnumAsStateSet", "enum_values": {int(number): name for name, number in states}}
    if found.syntax == "SnqdText":
        return {"type": "DisplayString"} if found.name in _NAMES else None
    return {"type": "gauge"}


def _dotted(oid: tuple[int, ...]) -> str:
    return ".".join(map(str, oid))

"""The standard objects that every agent has: system and snmp of SNMPv2-MIB, and those of the v3 framework.

They are served from our own tree like everything else, so that nothing of pysnmp's objects, which hold the keys and the
community among others, can be read by anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.exporters.snmp import columns
from snqd.exporters.snmp.answering import MESSAGE_LIMIT
from snqd.exporters.snmp.kinds import COUNTER32, OBJECT, OCTETS, SIGNED, STAMP, TEXT, UPTIME, Kind
from snqd.exporters.snmp.tree import SCALAR, Leaf, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.counters import Counters
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.settings import AgentSettings

SYSTEM: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)
SNMP: Final[Oid] = (1, 3, 6, 1, 2, 1, 11)
ENGINE: Final[Oid] = (1, 3, 6, 1, 6, 3, 10, 2, 1)
MESSAGE_PROCESSING: Final[Oid] = (1, 3, 6, 1, 6, 3, 11, 2, 1)
USER_SECURITY: Final[Oid] = (1, 3, 6, 1, 6, 3, 15, 1, 1)
SERVICES: Final = 72
"""sysServices of a host that offers an application."""
_DISABLED: Final = 2


class Capability(NamedTuple):
    """A row of sysORTable: a module that this agent serves."""

    oid: Oid
    words: str


CAPABILITIES: Final = (
    Capability((1, 3, 6, 1, 6, 3, 1), "SNMPv2-MIB: the groups system and snmp"),
    Capability((1, 3, 6, 1, 6, 3, 10, 3, 1, 1), "SNMP-FRAMEWORK-MIB: the engine"),
    Capability((1, 3, 6, 1, 6, 3, 11, 3, 1, 1), "SNMP-MPD-MIB: counters of message processing"),
    Capability((1, 3, 6, 1, 6, 3, 15, 2, 1, 1), "SNMP-USER-BASED-SM-MIB: counters of user-based security"),
    Capability((*columns.BASE, 2, 2, 1), "SNQD-MIB: the queue daemon"),
)


class Standard(NamedTuple):
    """The objects, and the row of all scalars: `touch` it when they may have moved."""

    leaves: list[Leaf]
    scalars: Rows[None]


def standard_objects(
    settings: AgentSettings,
    identity: Identity,
    counters: Counters,
    refusals: Callable[[str], int],
    uptime: Callable[[], float],
) -> Standard:
    """`uptime`: seconds since the agent began; `refusals`: what pysnmp has counted, by the names of objects."""
    one: Rows[None] = Rows(lambda _key: SCALAR, lambda _key: ())
    one.renew((None,))
    rows: Rows[int] = Rows(lambda number: (number,), lambda number: CAPABILITIES[number - 1])
    rows.renew(range(1, len(CAPABILITIES) + 1))

    def scalar(oid: Oid, kind: Kind, read: Callable[[], Any]) -> Leaf:
        return Leaf(oid, kind, lambda _row: read(), one)

    def refused(oid: Oid, name: str, more: Callable[[], int] = _none) -> Leaf:
        return scalar(oid, COUNTER32, lambda: refusals(name) + more())

    system = [
        scalar((*SYSTEM, 1), TEXT, lambda: settings.description),
        scalar((*SYSTEM, 2), OBJECT, lambda: columns.BASE),
        scalar((*SYSTEM, 3), UPTIME, uptime),
        scalar((*SYSTEM, 4), TEXT, lambda: settings.contact),
        scalar((*SYSTEM, 5), TEXT, lambda: settings.name),
        scalar((*SYSTEM, 6), TEXT, lambda: settings.location),
        scalar((*SYSTEM, 7), SIGNED, lambda: SERVICES),
        scalar((*SYSTEM, 8), STAMP, lambda: 0),
        Leaf((*SYSTEM, 9, 1, 2), OBJECT, lambda row: row.oid, rows),
        Leaf((*SYSTEM, 9, 1, 3), TEXT, lambda row: row.words, rows),
        Leaf((*SYSTEM, 9, 1, 4), STAMP, lambda _row: 0, rows),
    ]
    counted: dict[int, Callable[[], int]] = {
        1: lambda: counters.in_pkts,
        2: lambda: counters.out_pkts,
        13: lambda: counters.in_total_req_vars,
        14: lambda: 0,  # nothing was ever set
        15: lambda: counters.in_get_requests,
        16: lambda: counters.in_get_nexts,
        17: lambda: counters.in_set_requests,
        28: lambda: counters.out_get_responses,
        29: lambda: counters.out_traps,
    }
    snmp = [scalar((*SNMP, number), COUNTER32, read) for number, read in counted.items()]
    snmp += [
        refused((*SNMP, 3), "snmpInBadVersions"),
        refused((*SNMP, 4), "snmpInBadCommunityNames"),
        refused((*SNMP, 5), "snmpInBadCommunityUses"),
        refused((*SNMP, 6), "snmpInASNParseErrs", lambda: counters.in_asn_parse_errors),
        scalar((*SNMP, 30), SIGNED, lambda: _DISABLED),
        refused((*SNMP, 31), "snmpSilentDrops", lambda: counters.silent_drops),
        refused((*SNMP, 32), "snmpProxyDrops"),
    ]
    framework = [
        scalar((*ENGINE, 1), OCTETS, lambda: identity.engine_id),
        scalar((*ENGINE, 2), SIGNED, lambda: identity.boots),
        scalar((*ENGINE, 3), SIGNED, lambda: int(uptime())),
        scalar((*ENGINE, 4), SIGNED, lambda: MESSAGE_LIMIT),
    ]
    framework += [
        refused((*MESSAGE_PROCESSING, 1), "snmpUnknownSecurityModels"),
        refused((*MESSAGE_PROCESSING, 2), "snmpInvalidMsgs"),
        refused((*MESSAGE_PROCESSING, 3), "snmpUnknownPDUHandlers", lambda: counters.strays),
    ]
    framework += [refused((*USER_SECURITY, number), name) for number, name in enumerate(USM_STATS, 1)]
    return Standard([*system, *snmp, *framework], one)


USM_STATS: Final = (
    "usmStatsUnsupportedSecLevels",
    "usmStatsNotInTimeWindows",
    "usmStatsUnknownUserNames",
    "usmStatsUnknownEngineIDs",
    "usmStatsWrongDigests",
    "usmStatsDecryptionErrors",
)


def _none() -> int:
    return 0

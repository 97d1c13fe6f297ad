"""What a notification is made of: its number in SNQD-MIB, and its objects in order. A test holds it against the MIB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.columns import ALARMS, BASE, OBJECTS, Column, Group
from snqd.exporters.snmp.indices import names_index
from snqd.exporters.snmp.kinds import COUNTER32, COUNTER64, OBJECT, TEXT, UPTIME
from snqd.exporters.snmp.rows import AlarmRow
from snqd.exporters.snmp.tree import SCALAR, binding

if TYPE_CHECKING:
    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.notify.occasions import Kind, Occasion

SYS_UP_TIME: Final[Oid] = (1, 3, 6, 1, 2, 1, 1, 3)
TRAP_OID: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1)
_STANDARD: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 5)
"""snmpTraps of SNMPv2-MIB."""
LIMIT: Final = 1200
"""Octets of the bindings: with what is around them they fit one frame."""
_TEXT_LIMITS: Final = (255, 160, 90, 40)
"""Octets of each text, the first with which the whole is not too long."""


@dataclass(slots=True)
class Told:
    """The row that the objects are read from."""

    occasion: Occasion
    sequence: int
    suppressed: int


def _word(name: str) -> Any:
    return lambda row: getattr(row.occasion, name)


NOTIFY: Final = Group(
    "snqdNotify",
    (*OBJECTS, 9),
    (
        Column(1, "sequence", COUNTER64, lambda row: row.sequence),
        Column(2, "suppressed", COUNTER32, lambda row: row.suppressed),
        Column(3, "text", TEXT, _word("text")),
        Column(4, "worker", TEXT, _word("worker")),
        Column(5, "reason", TEXT, _word("reason")),
        Column(6, "item", TEXT, _word("item")),
        Column(7, "queue", TEXT, _word("queue")),
        Column(8, "site", TEXT, _word("site")),
    ),
)
_ENDING: Final = ("sequence", "suppressed", "text")


class Definition(NamedTuple):
    """`number`: below snqdNotifications, or in `standard` below snmpTraps. Objects by their names in their groups."""

    number: int
    objects: tuple[str, ...] = ()
    alarm_objects: tuple[str, ...] = ()
    is_standard: bool = False

    @property
    def oid(self) -> Oid:
        return (*_STANDARD, self.number) if self.is_standard else (*BASE, 0, self.number)


_ITEM: Final = ("reason", "item", "queue", "site", *_ENDING)
_SLOT: Final = ("worker", "reason", *_ENDING)
_START: Final = ("sequence", "text")
"""Appended, as RFC 3416 allows: without it a receiver would miss a number."""
_ALARM: Final = ("label", "severity", "value", "threshold", "message")
DEFINITIONS: Final[dict[Kind, Definition]] = {
    "cold_start": Definition(1, _START, is_standard=True),
    "warm_start": Definition(2, _START, is_standard=True),
    "worker_exited": Definition(1, ("worker", *_ITEM)),
    "worker_respawned": Definition(2, _SLOT),
    "slot_fatal": Definition(3, _SLOT),
    "poison_item": Definition(4, _ITEM),
    "dead_letter": Definition(5, _ITEM),
    "alarm_raised": Definition(6, _ENDING, _ALARM),
    "alarm_cleared": Definition(7, _ENDING, _ALARM),
    "suppression": Definition(8, ("suppressed", "sequence", "text")),
}
_BY_NAME: Final = {
    (group.prefix, column.name): (group, column) for group in (NOTIFY, ALARMS) for column in group.columns
}


def mib_name(kind: Kind) -> str:
    """Of the notification."""
    words = "".join(part[:1].upper() + part[1:] for part in kind.split("_"))
    return words[:1].lower() + words[1:] if DEFINITIONS[kind].is_standard else f"snqd{words}"


def objects(definition: Definition) -> list[tuple[Group, Column]]:
    """In the order of the MIB."""
    of_alarm = [_BY_NAME[ALARMS.prefix, name] for name in definition.alarm_objects]
    return of_alarm + [_BY_NAME[NOTIFY.prefix, name] for name in definition.objects]


def encode(told: Told, *, uptime: float) -> bytes:
    """The bindings, without tag and length: sysUpTime.0, snmpTrapOID.0, and the objects. `uptime`: the agent's."""
    found = b""
    for most in _TEXT_LIMITS:
        found = _encode(told, uptime, most)
        if len(found) <= LIMIT:
            break
    return found


def _encode(told: Told, uptime: float, most: int) -> bytes:
    definition = DEFINITIONS[told.occasion.kind]
    bindings = [
        binding(ber.oid_content((*SYS_UP_TIME, *SCALAR)), UPTIME.encoded(uptime)),
        binding(ber.oid_content((*TRAP_OID, *SCALAR)), OBJECT.encoded(definition.oid)),
    ]
    alarm = told.occasion.alarm
    for group, column in objects(definition):
        if group is ALARMS:
            assert alarm is not None, "occasions of alarms have one"
            row: Any = AlarmRow(alarm, 0.0)
            index = names_index(alarm.key)
        else:
            row, index = told, SCALAR
        figure = column.read(row)
        if column.kind is TEXT:
            figure = str(figure).encode(errors="replace")[:most].decode(errors="ignore")
        bindings.append(binding(ber.oid_content((*group.oid, column.number, *index)), column.kind.encoded(figure)))
    return b"".join(bindings)

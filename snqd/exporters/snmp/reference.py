"""Writes `docs/snmp.md` from the MIB: `python -m snqd.exporters.snmp.reference`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.exporters.snmp.columns import BASE
from snqd.exporters.snmp.mib import Mib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.exporters.snmp.mib import Object

MIB_FILE = Path(__file__).resolve().parents[3] / "mibs" / "SNQD-MIB.txt"

_INTRODUCTION = """\
# Objects of the SNMP agent

<!-- Written by `make docs` from mibs/SNQD-MIB.txt. Do not edit. -->

What [SNQD-MIB](../mibs/SNQD-MIB.txt) has to read, below `{base}`. How to poll it is in
[polling with SNMP](snmp-agent.md). Everything is read-only; figures have the names that they have in the rest of
telemetry, without their units. The standard groups that the agent serves too are `system`, `snmp`, `snmpEngine`, and
the counters of SNMP-MPD-MIB and SNMP-USER-BASED-SM-MIB.
"""

_NOTIFICATIONS = """\
Where they go, and how a receiver is set up, is in [polling with SNMP](snmp-agent.md#notifications). Each begins with
`sysUpTime.0` and `snmpTrapOID.0`. Beside these there are `coldStart` and `warmStart` of SNMPv2-MIB, with
`snqdNotifySequence` and `snqdNotifyText` appended: the agent begins, or begins again as it was configured before.
"""


def page(mib: Mib) -> str:
    """The whole of `docs/snmp.md`."""
    parts = [_INTRODUCTION.format(base=".".join(map(str, BASE)))]
    parts += ["## Kinds of values\n", "| name | base | meaning |", "|---|---|---|"]
    parts += [f"| `{name}` | {syntax} | {_cell(about)} |" for name, (syntax, about) in mib.conventions.items()]
    for title, node in (
        ("The daemon", "snqdDaemon"),
        ("Totals", "snqdTotals"),
        ("What became of notifications", "snqdNotifying"),
    ):
        parts += [f"\n## {title}: `{node}`, `{_dotted(mib, node)}`\n", *_rows(mib.children(node))]
    for table in mib.children("snqdObjects"):
        (entry,) = mib.children(table.name)
        indices = ", ".join(f"`{name}`" for name in entry.indices)
        parts += [
            f"\n## `{table.name}`, `{_dotted(mib, entry.name)}`\n",
            f"{table.about} Index: {indices}.\n",
            *_rows(mib.children(entry.name)),
        ]
    parts += ["\n## Notifications: `snqdNotifications`, `0`\n"]
    parts += [_NOTIFICATIONS]
    parts += ["| number | notification | objects | when |", "|---|---|---|---|"]
    for each in mib.notifications:
        objects = ", ".join(f"`{name}`" for name in each.objects)
        parts.append(f"| {each.number} | `{each.name}` | {objects} | {_cell(each.about)} |")
    parts += [f"\n## Objects of notifications: `snqdNotifyObjects`, `{_dotted(mib, 'snqdNotifyObjects')}`\n"]
    parts += ["They cannot be read. Their instance is 0.\n", *_rows(mib.children("snqdNotifyObjects"))]
    return "\n".join(parts) + "\n"


def _rows(objects: Iterator[Object]) -> Iterator[str]:
    yield "| number | object | type | unit | meaning |"
    yield "|---|---|---|---|---|"
    for found in objects:
        name = f"`{found.name}`" if found.access != "not-accessible" else f"`{found.name}` (index)"
        yield f"| {found.number} | {name} | {_type(found.syntax)} | {found.units} | {_cell(found.about)} |"


def _type(syntax: str) -> str:
    return re.sub(r"^INTEGER \{ (.*) \}$", r"\1", syntax)


def _dotted(mib: Mib, name: str) -> str:
    return ".".join(map(str, mib.path(name)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page(Mib(MIB_FILE.read_text())))

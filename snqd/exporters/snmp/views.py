"""The one view: what anybody who may read can read. The tree holds nothing else, which a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqd.exporters.snmp.columns import BASE
from snqd.exporters.snmp.standard import ENGINE, MESSAGE_PROCESSING, SNMP, SYSTEM, USER_SECURITY

if TYPE_CHECKING:
    from snqd.exporters.snmp.ber import Oid

VIEW: Final[tuple[Oid, ...]] = (SYSTEM, SNMP, ENGINE, MESSAGE_PROCESSING, USER_SECURITY, BASE)


def is_in_view(oid: Oid) -> bool:
    return any(oid[: len(subtree)] == subtree for subtree in VIEW)

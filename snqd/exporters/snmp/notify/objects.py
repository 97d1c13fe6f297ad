"""What SNQD-MIB has to read of notifications: sums over all targets, and a row of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from snqd.exporters.snmp import columns
from snqd.exporters.snmp.indices import name_index
from snqd.exporters.snmp.rows import NotificationsRow, TargetRow
from snqd.exporters.snmp.tree import SCALAR, Leaf, Rows

if TYPE_CHECKING:
    from snqd.exporters.snmp.notify.notifier import Notifier

_NONE: Final = NotificationsRow(0, 0, 0, 0, 0, 0, 0)


class NotifyObjects:
    """`notifier` is None where there are no targets: everything is 0 then."""

    def __init__(self, notifier: Notifier | None) -> None:
        self._roads = {} if notifier is None else {road.target.settings.name: road for road in notifier.roads}
        self._notifier = notifier
        self._sums: Rows[None] = Rows(lambda _key: SCALAR, lambda _key: self._sums_row())
        self._targets: Rows[str] = Rows(name_index, self._target_row)
        self._sums.renew((None,))
        self._targets.renew(self._roads)

    def leaves(self) -> list[Leaf]:
        pairs: tuple[tuple[columns.Group, Rows[Any]], ...] = (
            (columns.NOTIFICATIONS, self._sums),
            (columns.TARGETS, self._targets),
        )
        return [
            Leaf((*group.oid, column.number), column.kind, column.read, rows)
            for group, rows in pairs
            for column in group.columns
        ]

    def refresh(self) -> None:
        self._sums.touch()
        self._targets.touch()

    def _sums_row(self) -> NotificationsRow:
        if self._notifier is None:
            return _NONE
        state = self._notifier.state
        counts = state.counts.values()
        return NotificationsRow(
            made=state.sequence,
            suppressed=state.suppressed,
            sent=sum(each.sent for each in counts),
            acknowledged=sum(each.acknowledged for each in counts),
            retried=sum(each.retried for each in counts),
            failed=sum(each.failed for each in counts),
            waiting=sum(len(road.target.waiting) for road in self._roads.values()),
        )

    def _target_row(self, name: str) -> TargetRow:
        road = self._roads[name]
        target = road.target
        return TargetRow(
            label=name,
            address=str(road.address),
            is_inform=target.settings.is_inform,
            sent=target.counts.sent,
            acknowledged=target.counts.acknowledged,
            retried=target.counts.retried,
            failed=target.counts.failed,
            waiting=len(target.waiting),
            problem=road.problem,
        )

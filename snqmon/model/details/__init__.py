"""What stands in the detail of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from snqmon.model.dead import DeadRow
from snqmon.model.details.base import Chart, Detail, Line, Section
from snqmon.model.details.daemon import daemon_detail
from snqmon.model.details.queue import queue_detail
from snqmon.model.details.site import site_detail
from snqmon.model.details.told import alarm_detail, dead_detail, event_detail, places_of
from snqmon.model.details.worker import worker_detail
from snqmon.model.rows import AlarmRow, DaemonRow, EventRow, QueueRow, SiteRow, WorkerRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqmon.model.world import World

_DETAILS: Final[dict[type, Callable[[World, Any], Detail]]] = {
    QueueRow: queue_detail,
    SiteRow: site_detail,
    WorkerRow: worker_detail,
    EventRow: event_detail,
    AlarmRow: alarm_detail,
    DaemonRow: daemon_detail,
    DeadRow: dead_detail,
}


def detail_of(world: World, row: object) -> Detail:
    """Everything that is known of a row. Raises `KeyError` for a row of no known kind."""
    return _DETAILS[type(row)](world, row)


__all__ = ["Chart", "Detail", "Line", "Section", "detail_of", "places_of"]

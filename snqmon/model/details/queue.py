"""The detail of one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import (
    Detail,
    Line,
    Section,
    column_line,
    flow_charts,
    line,
    outcomes,
    peaks,
    some,
    timings,
)
from snqmon.model.details.happened import happened, running
from snqmon.model.details.limits import limits_of_queue
from snqmon.model.details.schedules import schedules
from snqmon.model.tables import QUEUES, pairs_table

if TYPE_CHECKING:
    from snqmon.model.rows import QueueRow
    from snqmon.model.world import World


def queue_detail(world: World, row: QueueRow) -> Detail:
    """Its courses are kept from now on, and the rates of its sites for as long as this is asked for."""
    row.moment.history.open("queues", row.queue)
    why = world.why(row.daemon, row.queue)
    return Detail(
        title=f"queue {row.queue}",
        kind="queues",
        key=row.key,
        grade=row.grade,
        summary=why.sentence,
        sections=some([_now(row), _rates(row), timings(row), running(row.moment, queue=row.queue), outcomes(row),
                       peaks(row.track.courses), _canary(row), limits_of_queue(row.moment, row.queue),
                       schedules(row.moment, row.queue), happened(world, row.daemon, queue=row.queue)]),
        charts=flow_charts(row),
        why=why,
        table=pairs_table(daemon=row.daemon, queue=row.queue),
    )  # fmt: skip


def _now(row: QueueRow) -> Section:
    lines = [column_line(QUEUES, key, row) for key in ("lag_seconds", "ready", "scheduled", "in_flight", "dead")]
    lines.append(column_line(QUEUES, "drain_seconds", row))
    lines.append(line("workers", formats.count(row.workers), definition="Living workers here that serve the queue."))
    if row.paused:
        lines.append(Line("paused", Cell(row.paused, Grade.LOOK), "By whom and why."))
        lines.append(column_line(QUEUES, "paused_items", row, "held by it"))
    elif row.state:
        lines.append(Line("state", Cell(row.state, row.state_grade), "Who could take its items."))
    return Section("Now", tuple(lines))


def _rates(row: QueueRow) -> Section:
    lines = tuple(
        column_line(QUEUES, key, row) for key in ("in_rate", "out_rate", "fail_rate", "failed_share", "retry_rate")
    )
    return Section("Last minute", lines)


def _canary(row: QueueRow) -> Section:
    fact = row.moment.view.canaries.get(row.queue)
    if fact is None:
        return Section("Canary", ())
    returned = f"{formats.count(fact.returned)} of {formats.count(fact.sent)}"
    age = formats.duration(row.moment.age(fact.last_returned))
    took = formats.timing(fact.last_seconds) if fact.last_seconds >= 0 else formats.UNKNOWN
    return Section(
        "Canary",
        (
            line("returned", returned, definition="No-op items that went the whole way, of those that were sent."),
            line("last took", took, definition="From the enqueue call to the ack of the last one that returned."),
            line("last back", f"{age} ago" if fact.last_returned else formats.UNKNOWN),
        ),
    )

"""The table of queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.queue import QueueRow


def _state(row: QueueRow) -> Cell:
    waits = f" {formats.count(row.paused_items)}" if row.paused and row.paused_items else ""
    return Cell(row.state + waits, row.state_grade if row.state else Grade.DIM)


def _drain(row: QueueRow) -> Cell:
    seconds = row.drain_seconds
    if seconds is None or not row.ready:
        return Cell(formats.UNKNOWN, Grade.DIM)
    if seconds < 0:
        return Cell("never", max(Grade.GOOD, row.lag_grade))
    return Cell(formats.duration(seconds))


def _drain_value(row: QueueRow) -> float | None:
    """Never is longer than any time; without ready items there is nothing to wait for."""
    seconds = row.drain_seconds
    if seconds is None or not row.ready:
        return None
    return float("inf") if seconds < 0 else seconds


QUEUES: Table[QueueRow] = Table(
    name="queues",
    title="Queues",
    measures=(
        "What waits in the store, queue by queue, and how it is worked off. Depth is how many items could be claimed "
        "now, scheduled how many wait for their time, in flight how many are claimed, lag the age of the oldest item "
        "that could be claimed. Rates are of the last minute. Wait is from when an item could be claimed to its "
        "handler's start, run the handler's time."
    ),
    columns=(
        parts.daemon(),
        parts.name("queue", "queue", 0, "The queue's name."),
        Column(
            "state", "state", 14,
            "Paused, and how many items wait for its end; no worker or no handler; empty = as it should be.",
            value=lambda row: row.state or None, cell=_state, is_right=False, keep=85, is_descending=False,
        ),
        parts.lag(),
        parts.items("ready", "depth", "Items that could be claimed now; ~ = an estimate, too many wait to be counted.",
                    keep=92, grade="ready_grade"),
        parts.items("in_flight", "flight", "Items that are claimed, here or on other hosts.", keep=60),
        parts.items("scheduled", "sched", "Items that wait for their time, or for another attempt.", keep=50),
        parts.rate("in_rate", "in/s", "Items enqueued per second, over the last minute.", keep=80),
        parts.rate("out_rate", "out/s", "Items handled, discarded and dead-lettered per second, over the last minute.",
                   keep=81),
        parts.rate("fail_rate", "fail/s", "Handlings per second that ended with an exception, a time limit or a crash.",
                   keep=75, grade="failed_grade"),
        Column(
            "drain_seconds", "drain", 7,
            "Time until nothing is ready at these rates; never = as much comes in as goes out, or more.",
            value=_drain_value, cell=_drain, keep=55,
        ),
        parts.timing("wait", 1, keep=45),
        parts.timing("run", 1, keep=46),
        parts.items("dead", "dead", "Dead letters of this queue in the store.", keep=65),
        parts.number("workers", "wkrs", 5, "Living workers of this daemon that serve the queue.", keep=40),
        parts.trend("ready", "depth 1 min", "Depth over the last minute, five seconds to a character.", keep=70),
        parts.items("paused_items", "paused", "Items that would be ready, but for a pause.", keep=31, is_wide=True),
        parts.share("failed_share", "fail%", "Failed handlings, of all that ended within the last minute.", keep=30,
                    grade="failed_grade", is_wide=True),
        parts.rate("retry_rate", "retry/s", "Handlers per second that asked for a later attempt.", keep=20,
                   is_wide=True),
        parts.timing("wait", 0, keep=14, is_wide=True),
        parts.timing("wait", 2, keep=13, is_wide=True),
        parts.timing("run", 0, keep=12, is_wide=True),
        parts.timing("run", 2, keep=11, is_wide=True),
    ),
    sort="lag_seconds",
    rows=lambda world: world.queues(),
    empty="No queue is known yet: a queue appears when an item is enqueued to it or a handler is registered for it.",
)  # fmt: skip

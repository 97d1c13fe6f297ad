"""The table of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.worker import WorkerRow


def _since(row: WorkerRow) -> Cell:
    return Cell(formats.duration(row.since_seconds), Grade.GOOD if row.item and not row.is_gone else Grade.DIM)


def _item(row: WorkerRow) -> Cell:
    """Without one, what the time before it is of: a worker that lives for three days has not been idle for three."""
    if row.item or row.is_gone:
        return Cell(formats.cut(row.item, 22))
    return Cell("age of its process" if row.pid else "since the last ended", Grade.DIM)


def _memory(row: WorkerRow) -> Cell:
    return Cell(formats.size(row.rss_bytes), row.memory_grade if row.rss_bytes else Grade.DIM)


def _beat(row: WorkerRow) -> Cell:
    return Cell(formats.duration(row.silence_seconds), row.silence_grade if row.pid else Grade.DIM)


def _pid(row: WorkerRow) -> Cell:
    return Cell(str(row.pid), Grade.GOOD) if row.pid else Cell(formats.UNKNOWN, Grade.DIM)


def _exit(row: WorkerRow) -> Cell:
    return Cell(row.last_exit, row.deaths_grade if row.deaths else Grade.DIM)


WORKERS: Table[WorkerRow] = Table(
    name="workers",
    title="Workers",
    measures=(
        "The daemon's worker slots and what is in them. A worker that handles an item shows its queue; since is how "
        "long that item has run, and without one how long the process has lived. Counters are since the daemon's boot "
        "and survive respawns. Memory is resident memory; past its soft limit a worker finishes its items and is "
        "replaced."
    ),
    columns=(
        parts.daemon(),
        replace(parts.name("worker", "worker", 14, "The slot's name."), order=lambda row: formats.natural(row.worker)),
        Column(
            "state", "state", 20, "What it does: starting, idle, claiming, handling a queue, stopping; backoff and "
            "fatal slots have no process; silent = its loop does not turn.",
            value=lambda row: row.state, cell=lambda row: Cell(formats.cut(row.state, 20), row.state_grade),
            is_right=False, keep=98, is_descending=False,
        ),
        Column("since_seconds", "since", 7, "How long its item has run; without one, how long the process has lived.",
               value=lambda row: row.since_seconds, cell=_since, keep=90),
        replace(parts.name("item", "item", 22, "The item that has run longest, with its site.", keep=80), cell=_item),
        parts.number("handled", "handled", 9, "Items handled since the daemon's boot.", keep=70, is_quiet=True),
        parts.number("failed", "failed", 8, "Failed handlings since the daemon's boot.", keep=60),
        parts.rate("out_rate", "done/s", "Items handled per second, over the last minute.", keep=65),
        Column("rss_bytes", "memory", 7, "Resident memory, in units of 1,024; judged against the soft limit.",
               value=lambda row: row.rss_bytes, cell=_memory, keep=75),
        parts.share("rss_share", "of lim", "Resident memory, of the soft limit.", keep=40, grade="memory_grade"),
        Column("cores", "cores", 6, "Processor time per second, over the last minute.",
               value=lambda row: row.cores,
               cell=lambda row: Cell(formats.cores(row.cores), Grade.GOOD if row.cores else Grade.DIM), keep=50),
        Column("silence_seconds", "beat", 6, "Since the loop that does the work last turned. A plain handler keeps it "
               "still, so only workers without an item are judged.",
               value=lambda row: row.silence_seconds, cell=_beat, keep=35),
        parts.number("respawns", "resp", 5, "How often the slot got another worker since the daemon's boot.", keep=72,
                     grade="deaths_grade"),
        Column("last_exit", "last exit", 0, "When and how the last worker of this slot ended.",
               value=lambda row: row.fact.exit_at or None, cell=_exit, is_right=False, keep=45),
        Column("pid", "pid", 8, "Process id.", value=lambda row: row.pid, cell=_pid, keep=20, is_wide=True,
               is_descending=False),
        parts.rate("fail_rate", "fail/s", "Failed handlings per second, over the last minute.", keep=15, is_wide=True),
        parts.trend("handled", "done 1 min", "Items handled per second over the last minute.", keep=30),
    ),
    sort="worker",
    rows=lambda world: world.workers(),
    empty="No worker is known yet.",
)  # fmt: skip

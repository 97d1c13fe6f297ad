"""The table of daemons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.daemon import DaemonRow


def _workers(row: DaemonRow) -> Cell:
    wanted = row.workers_wanted
    text = f"{row.workers_running}/{wanted}" if wanted is not None else str(row.workers_running)
    return Cell(text, row.workers_grade)


def _lost(row: DaemonRow) -> Cell:
    return Cell(formats.count(row.lost), row.lost_grade if row.lost else Grade.DIM)


DAEMONS: Table[DaemonRow] = Table(
    name="daemons",
    title="Daemons",
    measures=(
        "One line for each daemon that is heard of. Depth and lag are of its store, which several daemons may share."
    ),
    columns=(
        parts.name("daemon", "daemon", 0, "The daemon, as name@host."),
        Column("state", "state", 18, "Live, silent, or without its store, and for how long.",
               value=lambda row: row.state, cell=lambda row: Cell(formats.cut(row.state, 18), row.state_grade),
               is_right=False, keep=98, is_descending=False),
        Column("up_seconds", "up", 9, "Since the daemon's boot.", value=lambda row: row.up_seconds,
               cell=lambda row: Cell(formats.uptime(row.up_seconds)), keep=70),
        Column("workers_running", "workers", 8, "Workers that run, of those that are wanted.",
               value=lambda row: row.workers_running, cell=_workers, keep=90),
        parts.number("deaths", "died", 5, "Workers that died within the last ten minutes, as far as this monitor was "
                     "there.", keep=75, grade="deaths_grade"),
        parts.lag(keep=92),
        parts.items("ready", "depth", "Items in the store that could be claimed now; ~ = an estimate.", keep=91),
        parts.rate("in_rate", "in/s", "Items enqueued per second, over the last minute.", keep=80),
        parts.rate("out_rate", "out/s", "Items handled, discarded and dead-lettered per second, over the last minute.",
                   keep=81),
        parts.rate("fail_rate", "fail/s", "Failed handlings per second, over the last minute.", keep=78,
                   grade="failed_grade"),
        parts.number("alarms", "alarms", 7, "Alarms that are raised.", keep=60),
        Column("lost", "lost", 7, "Datagrams that did not arrive here.",
               value=lambda row: row.lost, cell=_lost, keep=50),
        parts.name("store_words", "store", 18, "The kind of the store and how long the smallest question takes.",
                   keep=40, grade="store_grade"),
        parts.name("version", "version", 9, "Version of snqd.", keep=30),
        parts.trend("out", "out 1 min", "Out-rate over the last minute, five seconds to a character.", keep=45),
    ),
    sort="daemon",
    rows=lambda world: world.daemons(),
    empty="No daemon has been heard of yet.",
)  # fmt: skip

"""The table of the sites of a queue, or of the queues of a site."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.pair import PairRow


def _run_p95(row: PairRow) -> float | None:
    return row.run.p95


PAIRS: Table[PairRow] = Table(
    name="pairs",
    title="Queues and sites",
    measures="The sites of one queue, or the queues of one site. Totals are since the daemon's boot.",
    columns=(
        parts.name("queue", "queue", 16, "The queue's name.", keep=99),
        parts.name("site", "site", 0, "The site's name."),
        parts.lag(),
        parts.items("ready", "depth", "Items that could be claimed now; ~ = an estimate.", keep=91),
        parts.items("in_flight", "flight", "Items that are claimed.", keep=50),
        parts.items("scheduled", "sched", "Items that wait for their time, or for another attempt.", keep=45),
        parts.rate("out_rate", "done/s", "Items handled per second, since somebody looks, at most the last minute.",
                   keep=80),
        parts.rate("fail_rate", "fail/s", "Failed handlings per second, over the same time.", keep=75),
        parts.number("handled", "handled", 9, "Items handled since the daemon's boot.", keep=60),
        parts.number("failed", "failed", 9, "Failed handlings since the daemon's boot.", keep=58),
        parts.items("dead", "dead", "Dead letters in the store.", keep=55),
        Column(
            "run_p95", "run p95", 8, "Run time that 95 % of the items stayed below, since the daemon's boot.",
            value=_run_p95, cell=lambda row: Cell(formats.timing(_run_p95(row))), keep=40,
        ),
        Column(
            "run_seconds", "run∑", 7, "Running time since the daemon's boot.",
            value=lambda row: row.run_seconds, cell=lambda row: Cell(formats.duration(row.run_seconds)), keep=30,
        ),
    ),
    sort="ready",
    rows=lambda _world: (),
    empty="No items of it are known.",
)  # fmt: skip


def pairs_table(*, daemon: str, queue: str | None = None, site: str | None = None) -> Table[PairRow]:
    """The table of the sites of a queue, or of the queues of a site; `daemon` is `name@host`."""
    hidden = "queue" if queue is not None else "site"
    columns = tuple(column for column in PAIRS.columns if column.key != hidden)
    if hidden == "site":
        columns = tuple(replace(column, width=0) if column.key == "queue" else column for column in columns)
    return replace(
        PAIRS,
        title=f"Sites of {queue}" if queue is not None else f"Queues of {site}",
        columns=columns,
        rows=lambda world: world.pairs(daemon=daemon, queue=queue, site=site),
    )

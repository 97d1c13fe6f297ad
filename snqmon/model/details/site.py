"""The detail of one site: what waits for it, and how much of the daemon it takes."""

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
from snqmon.model.details.connections import around, connections
from snqmon.model.details.happened import happened, running
from snqmon.model.details.limits import limits_of_site
from snqmon.model.tables import SITES, pairs_table

if TYPE_CHECKING:
    from snqd.telemetry.why import Answer
    from snqmon.model.rows import SiteRow
    from snqmon.model.world import World


def site_detail(world: World, row: SiteRow) -> Detail:
    """Its courses are kept from now on, and the rates of its queues for as long as this is asked for."""
    row.moment.history.open("sites", row.site)
    why = _why(world, row)
    return Detail(
        title=f"site {row.site}",
        kind="sites",
        key=row.key,
        grade=row.grade,
        summary=why.sentence if why is not None else _neighbour(row),
        sections=some([
            *around(
                [_now(row), _shares(row), timings(row), running(row.moment, site=row.site), outcomes(row),
                 peaks(row.track.courses)],
                connections(row.moment, site=row.site),
            ),
            limits_of_site(row.moment, row.site),
            happened(world, row.daemon, site=row.site),
        ]),
        charts=flow_charts(row),
        why=why,
        table=pairs_table(daemon=row.daemon, site=row.site),
    )  # fmt: skip


def _now(row: SiteRow) -> Section:
    keys = ("lag_seconds", "ready", "scheduled", "in_flight", "dead", "in_rate", "out_rate", "fail_rate", "retry_rate")
    lines = [column_line(SITES, key, row) for key in keys]
    if row.paused:
        lines.append(Line("paused", Cell(row.paused, Grade.LOOK), "By whom and why."))
        lines.append(column_line(SITES, "paused_items", row, "held by it"))
    return Section("Now", tuple(lines))


def _shares(row: SiteRow) -> Section:
    """Whether it is a noisy neighbour."""
    keys = ("slots_share", "handled_share", "failures_share", "slots_share_ever")
    labels = ("running time", "items", "failures", "since boot")
    lines = [column_line(SITES, key, row, label) for key, label in zip(keys, labels, strict=True)]
    lines.append(column_line(SITES, "slots", row, "workers now"))
    lines.append(line("seconds", formats.duration(row.run_seconds), definition="Running time since the daemon's boot."))
    return Section("Share of all", tuple(lines))


def _neighbour(row: SiteRow) -> str:
    share = formats.share(row.slots_share)
    busy = f"{row.slots} of {len(row.moment.view.workers)} workers run its items"
    return f"takes {share} of the running time within the last minute; {busy}"


def _why(world: World, row: SiteRow) -> Answer | None:
    """Of the queue in which most of it waits; None when nothing does."""
    depths = row.moment.view.depths
    waiting = [depths[pair] for pair in row.totals.pairs if pair in depths and depths[pair].ready]
    if not waiting:
        return None
    return world.why(row.daemon, max(waiting, key=lambda fact: fact.ready).queue, row.site)

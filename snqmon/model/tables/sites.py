"""The table of sites: the noisy neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows.site import SiteRow


def _state(row: SiteRow) -> Cell:
    waits = f" {formats.count(row.paused_items)}" if row.state and row.paused_items else ""
    return Cell(row.state + waits, row.pause_grade)


SITES: Table[SiteRow] = Table(
    name="sites",
    title="Sites",
    measures=(
        "What each site (tenant) takes of the daemon. Slots is the share of the handlers' running time within the "
        "last minute: a site with much of it while others wait is a noisy neighbour. Depth, lag and rates are as for "
        "queues, over all queues of the site."
    ),
    columns=(
        parts.daemon(),
        parts.name("site", "site", 0, "The site's name; with a sign while the whole site is paused.",
                   grade="pause_grade"),
        Column(
            "state", "state", 14, "Paused, and how many items wait for its end; empty = as it should be.",
            value=lambda row: row.state or None, cell=_state, is_right=False, keep=38, is_descending=False,
        ),
        parts.share("slots_share", "slots", "Share of the running time of all sites, over the last minute.", keep=93,
                    grade="slots_grade"),
        parts.number("slots", "busy", 5, "Workers whose longest item is of this site, now.", keep=60),
        parts.lag(),
        parts.items("ready", "depth", "Items that could be claimed now; ~ = an estimate.", keep=91),
        parts.items("in_flight", "flight", "Items that are claimed.", keep=50),
        parts.items("scheduled", "sched", "Items that wait for their time, or for another attempt.", keep=45),
        parts.rate("in_rate", "in/s", "Items enqueued per second, over the last minute.", keep=70),
        parts.rate("out_rate", "out/s", "Items handled, discarded and dead-lettered per second, over the last minute.",
                   keep=80),
        parts.rate("fail_rate", "fail/s", "Failed handlings per second, over the last minute.", keep=75,
                   grade="failed_grade"),
        parts.share("failures_share", "fails", "Share of the failures of all sites, over the last minute.", keep=65),
        parts.items("dead", "dead", "Dead letters of this site in the store.", keep=55),
        parts.timing("wait", 1, keep=40),
        parts.timing("run", 1, keep=41),
        parts.trend("out", "out 1 min", "Out-rate over the last minute, five seconds to a character; empty when there "
                    "are too many sites for each to have a course, until it is opened.", keep=35),
        parts.items("paused_items", "paused", "Items that would be ready, but for a pause.", keep=26, is_wide=True),
        parts.share("handled_share", "items", "Share of the items handled for all sites, over the last minute.",
                    keep=25, is_wide=True),
        parts.share("slots_share_ever", "slots∑", "Share of the running time of all sites, since the daemon's boot.",
                    keep=24, is_wide=True),
        Column(
            "run_seconds", "run∑", 7, "Running time since the daemon's boot.",
            value=lambda row: row.run_seconds,
            cell=lambda row: Cell(formats.duration(row.run_seconds), Grade.GOOD if row.run_seconds else Grade.DIM),
            keep=23, is_wide=True,
        ),
        parts.share("failed_share", "fail%", "Failed handlings, of all of it that ended within the last minute.",
                    keep=22, grade="failed_grade", is_wide=True),
        parts.rate("retry_rate", "retry/s", "Handlers per second that asked for a later attempt.", keep=20,
                   is_wide=True),
    ),
    sort="slots_share",
    rows=lambda world: world.sites(),
    empty="No site is known yet: a site appears with its first item.",
)  # fmt: skip

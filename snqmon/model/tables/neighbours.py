"""The table of noisy neighbours: what share of the daemon each site takes, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.sparkline import PLAIN
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from snqmon.model.rows import SiteRow

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int, *, is_ascii: bool = False) -> str:
    """A part of a whole (0 to 1) as a bar; what is not nothing is never shown as nothing.

    >>> bar(0.5, 4), bar(0.30, 4), bar(0.001, 4), bar(0.5, 4, is_ascii=True)
    ('██  ', '█▎  ', '▏   ', '##  ')
    """
    share = min(max(share, 0.0), 1.0)
    if is_ascii:
        return ("#" * max(round(share * width), share > 0)).ljust(width)
    whole, rest = divmod(max(round(share * width * 8), share > 0), 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _share(row: SiteRow, share: float | None, width: int, grade: Grade = Grade.GOOD) -> Cell:
    """The bar, and the figure at its right."""
    if share is None:
        return Cell(formats.UNKNOWN, Grade.DIM)
    drawn = bar(share, width, is_ascii=row.moment.signs == PLAIN)
    return Cell(f"{drawn}{formats.share(share):>6}", grade if share else Grade.DIM)


NEIGHBOURS: Final[Table[SiteRow]] = Table(
    name="neighbours",
    title="Noisy neighbours",
    measures=(
        "What share each site takes of its daemon within the last minute: of the running time of all handlers, which "
        "is what keeps others waiting, of the items that were handled, and of the failures. A site that has nearly all "
        "of the time while others wait is a noisy neighbour."
    ),
    columns=(
        parts.daemon(),
        parts.name("site", "site", 0, "The site's name."),
        Column("slots", "slots", 5, "Workers that run an item of it now.", value=lambda row: row.slots,
               cell=lambda row: Cell(str(row.slots), Grade.GOOD if row.slots else Grade.DIM), keep=80),
        Column("slots_share", "running time", 27, "Its share of the running time of all sites, of the last minute.",
               value=lambda row: row.slots_share, cell=lambda row: _share(row, row.slots_share, 20, row.slots_grade),
               keep=99),
        Column("handled_share", "items", 17, "Its share of the items that were handled within the last minute.",
               value=lambda row: row.handled_share, cell=lambda row: _share(row, row.handled_share, 10), keep=70),
        Column("failures_share", "failures", 17, "Its share of the failures within the last minute.",
               value=lambda row: row.failures_share,
               cell=lambda row: _share(row, row.failures_share, 10, row.failed_grade), keep=90),
        Column("ready", "depth", 9, "Its items that could be claimed now; ~ = an estimate.",
               value=lambda row: row.ready,
               cell=lambda row: Cell(formats.count(row.ready, is_estimate=row.is_estimate)), keep=85),
        Column("slots_share_ever", "time since boot", 17, "Its share of the running time since the daemon's boot.",
               value=lambda row: row.slots_share_ever, cell=lambda row: _share(row, row.slots_share_ever, 10), keep=60),
    ),
    sort="slots_share",
    rows=lambda world: world.sites(),
    empty="No site is known.",
)  # fmt: skip

"""Of which row the detail opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.rows import PairRow
from snqmon.screens.detail import DetailScreen

if TYPE_CHECKING:
    from snqmon.model.columns import Row
    from snqmon.model.world import World
    from snqmon.screens.base import MonitorScreen


def detailed(world: World, row: Row, *, within: MonitorScreen | None) -> Row | None:
    """None = there is no more to be said of it. `within`: the screen on which the row was chosen."""
    if isinstance(row, PairRow):
        return _of_pair(world, row, within)
    return row


def _of_pair(world: World, pair: PairRow, within: MonitorScreen | None) -> Row | None:
    """Of a queue's site the site, of a site's queue the queue: what one does not look at already."""
    is_of_queue = isinstance(within, DetailScreen) and within.detail.kind == "queues"
    kind, name = ("sites", pair.site) if is_of_queue else ("queues", pair.queue)
    return world.find(kind, (pair.daemon, name))

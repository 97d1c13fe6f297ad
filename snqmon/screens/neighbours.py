"""`NeighboursScreen`: which site takes what of its daemon: slots, running time, items, failures."""

from __future__ import annotations

from snqmon.model.tables.neighbours import NEIGHBOURS
from snqmon.screens.tables import TableScreen


class NeighboursScreen(TableScreen):
    TABLE = NEIGHBOURS
    crumbs = ("noisy neighbours",)

"""The screens that are one table: queues, workers, sites, alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from snqmon.model.table_view import TableView
from snqmon.model.tables import ALARMS, QUEUES, SITES, WORKERS
from snqmon.screens.base import MonitorScreen
from snqmon.widgets.fact_table import FactTable

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from snqmon.model.columns import Table

MESSAGE_CELLS: Final = 64
"""A sentence wants so many."""


class TableScreen(MonitorScreen):
    TABLE: ClassVar[Table[Any]]
    IS_TAIL: ClassVar[bool] = False
    FLEXIBLE: ClassVar[int] = 16
    """Cells that its widest column wants."""

    def __init__(self) -> None:
        super().__init__()
        self.title_words, self.measures = self.TABLE.title, self.TABLE.measures
        self.view: TableView[Any] = TableView(self.TABLE)

    def body(self) -> ComposeResult:
        is_ascii = self.monitor.is_ascii
        yield FactTable(self.view, is_tail=self.IS_TAIL, is_ascii=is_ascii, flexible=self.FLEXIBLE, classes="body")

    @property
    def table(self) -> FactTable[Any]:
        return self.query_one(FactTable)

    def draw(self) -> None:
        table = self.table
        table.is_dimmed = self.is_stale
        world = self.world
        table.show(self.TABLE.rows(world), self.monitor.clock(), is_fleet=world.has_many_daemons)


class QueuesScreen(TableScreen):
    TABLE = QUEUES


class WorkersScreen(TableScreen):
    TABLE = WORKERS


class SitesScreen(TableScreen):
    TABLE = SITES


class AlarmsScreen(TableScreen):
    TABLE = ALARMS
    FLEXIBLE = MESSAGE_CELLS

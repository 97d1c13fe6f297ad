"""`OverviewScreen`: is it well, and what is worst now. In as much room as there is: queues, workers, sites, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from textual.containers import Container

from snqmon.model.columns import R
from snqmon.model.table_view import TableView
from snqmon.model.tables import DAEMONS, EVENTS, QUEUES, SITES, WORKERS
from snqmon.screens.base import MonitorScreen
from snqmon.screens.overview_layout import Panel, arranged
from snqmon.screens.tables import MESSAGE_CELLS
from snqmon.widgets.fact_table import FactTable
from snqmon.widgets.glance_bar import GlanceBar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

    from snqmon.model.columns import Row

MOST_ROWS: Final = 200
"""Of a panel that lists the worst ones. A filter looks at all of them."""


class WorstFirst(TableView[R]):
    """The order in which the rows are given, until somebody sorts by a column."""

    def __init__(self, table: Any) -> None:
        super().__init__(table)
        self.sort = ""

    def _sorted(self, rows: list[R]) -> list[R]:
        return super()._sorted(rows) if self.sort else rows


class _Panels(Container):
    BLANK = True


class OverviewScreen(MonitorScreen):
    AUTO_FOCUS = "#queues"
    title_words = "Overview"
    measures = (
        "Whether the daemons are up, keep up, and fail, what is worst now, and whether this screen can be trusted. "
        "Queues and workers in trouble stand first. Lag is the age of the oldest item that could be claimed now; depth "
        "is how many could be; rates are of the last minute."
    )
    DEFAULT_CSS = """
    OverviewScreen {
        #panels { layout: vertical; height: 1fr; }
        #top { layout: vertical; height: auto; }
        #top.-two { layout: horizontal; }
        #top.-two #queues { width: 3fr; margin: 0 1 0 0; }
        #top.-two #sites { width: 2fr; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        events = TableView(EVENTS)
        events.is_descending = False
        self._views: dict[str, TableView[Any]] = {
            "daemons": TableView(DAEMONS),
            "queues": WorstFirst(QUEUES),
            "workers": WorstFirst(WORKERS),
            "sites": TableView(SITES),
            "events": events,
        }
        self._arranged: tuple[Panel, ...] = ()

    def body(self) -> ComposeResult:
        yield GlanceBar(classes="body")
        with _Panels(id="panels", classes="body"):
            yield self._panel("daemons")
            with _Panels(id="top"):
                yield self._panel("queues")
                yield self._panel("sites")
            yield self._panel("workers")
            yield self._panel("events")

    def _panel(self, name: str) -> FactTable[Any]:
        is_tail = name == "events"
        return FactTable(
            self._views[name],
            is_tail=is_tail,
            is_ascii=self.monitor.is_ascii,
            flexible=MESSAGE_CELLS if is_tail else 16,
            id=name,
        )

    @property
    def table(self) -> FactTable[Any]:
        focused = self.focused
        return focused if isinstance(focused, FactTable) else self.query_one("#queues", FactTable)

    def table_of(self, name: str) -> FactTable[Any] | None:
        return self.query_one(f"#{name}", FactTable) if name in self._views else None

    def notes(self) -> list[str]:
        view = self.table.view
        return [view.choice_words] if view.choice_words else []

    def draw(self) -> None:
        glance = self.world.glance()
        self._arrange()
        self.query_one(GlanceBar).show(glance, is_ascii=self.monitor.is_ascii)
        is_fleet = self.world.has_many_daemons
        for panel in self._arranged:
            table = self.query_one(f"#{panel.name}", FactTable)
            table.is_dimmed = self.is_stale
            table.show(self._rows(panel.name, table.view), self.monitor.clock(), is_fleet=is_fleet)

    def _rows(self, name: str, view: TableView[Any]) -> Iterable[Row]:
        glance, world = self.world.glance(), self.world
        most = len(world.queues()) + len(world.workers()) if view.filter.tests or view.is_only_troubled else MOST_ROWS
        if name == "queues":
            return glance.worst_queues(most)
        if name == "workers":
            return glance.worst_workers(most)
        return view.table.rows(world)

    def _arrange(self) -> None:
        """Which panels there are, and how high each is."""
        width, height = self.size
        bar = self.query_one(GlanceBar)
        bar_height = bar.height_for(width, height)
        world = self.world
        counts = {"daemons": len(world.daemons())} if world.has_many_daemons else {}
        counts |= {"queues": len(world.queues()), "workers": len(world.workers()), "sites": len(world.sites())}
        found = arranged(width, height - self.bars - bar_height, counts)
        if found == self._arranged:
            return
        self._arranged = found
        bar.styles.height = bar_height
        shown = {panel.name: panel for panel in found}
        self.query_one("#top").set_class(any(panel.is_beside for panel in found), "-two")
        for name in self._views:
            table = self.query_one(f"#{name}", FactTable)
            table.display = name in shown
            if name in shown:
                table.styles.height = shown[name].height

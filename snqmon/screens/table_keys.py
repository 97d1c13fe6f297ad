"""What the keys of tables do, on whatever screen there is a table: move, filter, sort, copy, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.screen import Screen

from snqd.telemetry.words import plural
from snqmon.model.details import places_of
from snqmon.model.export import as_text, exported
from snqmon.model.rows import AlarmRow, EventRow
from snqmon.screens.writing import ask_and_write
from snqmon.widgets.filter_bar import FilterBar

if TYPE_CHECKING:
    from snqmon.app import Monitor
    from snqmon.model.columns import Key
    from snqmon.model.world import World
    from snqmon.widgets.fact_table import FactTable


class TableKeys(Screen[None]):
    """Base of every screen of the monitor. Methods `act_…` are called for the keys with that action."""

    @property
    def monitor(self) -> Monitor:
        return cast("Monitor", self.app)

    @property
    def world(self) -> World:
        return self.monitor.world

    @property
    def table(self) -> FactTable[Any] | None:
        """The table that keys act on; None = the screen has none."""
        return None

    def tick(self) -> None:
        """Draw everything that is not as it should be."""
        raise NotImplementedError

    # Moving about

    def act_move(self, lines: int) -> None:
        if (table := self.table) is not None:
            table.move_by(lines, self.monitor.clock())

    def act_page(self, pages: int) -> None:
        if (table := self.table) is not None:
            table.move_by(pages * max(1, table.page - 1), self.monitor.clock())

    def act_first(self) -> None:
        if (table := self.table) is not None:
            table.move_to(0, self.monitor.clock())

    def act_last(self) -> None:
        if (table := self.table) is not None:
            table.move_to(len(table.view.rows) - 1, self.monitor.clock())

    def act_open(self) -> None:
        if (table := self.table) is not None:
            table.open()

    @property
    def leads_to(self) -> tuple[str, Key] | None:
        """The table and the row that the event or the alarm under the cursor is about; None = it is about none."""
        row = self.table.row if self.table is not None else None
        if not isinstance(row, EventRow | AlarmRow):
            return None
        return next((line.row for line in places_of(row)), None)

    async def act_jump(self) -> None:
        """Open what it is about, without its own detail in between."""
        if (place := self.leads_to) is None:
            return
        row = self.world.find(*place)
        if row is not None:
            await self.monitor.open_row(row)
        else:
            self.notify(f"{place[1][-1]} is not known any more", severity="warning", timeout=3, markup=False)

    def on_fact_table_row_clicked(self, event: FactTable.RowClicked) -> None:
        event.stop()
        event.table.move_to(event.place, self.monitor.clock())
        if event.is_double:
            event.table.open()

    async def on_fact_table_opened(self, event: FactTable.Opened) -> None:
        event.stop()
        await self.monitor.open_row(event.row)

    # Order and choice

    def act_sort(self) -> None:
        if (table := self.table) is not None:
            table.view.next_sort(table.columns)
            self._show_choice()

    def act_reverse(self) -> None:
        if (table := self.table) is not None:
            table.view.reverse()
            self._show_choice()

    def on_fact_table_heading_clicked(self, event: FactTable.HeadingClicked) -> None:
        event.stop()
        event.table.focus()
        event.table.view.sort_by(event.column)
        self._show_choice()

    def act_troubled(self) -> None:
        if (table := self.table) is not None:
            table.view.toggle_troubled()
            self._show_choice()

    def act_wide(self) -> None:
        if (table := self.table) is not None:
            table.view.is_wide = not table.view.is_wide
            self._show_choice()

    def act_filter(self) -> None:
        if (table := self.table) is not None:
            self.query_one(FilterBar).open(table.view.filter.text)

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        if (table := self.table) is not None:
            table.view.filter_by(event.text)
            self._show_choice()

    def on_filter_bar_left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.query_one(FilterBar).close()
        if (table := self.table) is not None:
            table.focus()

    @property
    def is_anything_hidden(self) -> bool:
        """By a filter, or because it is well."""
        table = self.table
        return table is not None and bool(table.view.choice_words)

    def act_back(self) -> None:
        """Show everything again; where nothing is hidden, close what is open."""
        table = self.table
        if table is not None and table.view.clear_filter():
            self._show_choice()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def _show_choice(self) -> None:
        """What somebody asked for is shown now, also while the picture stands."""
        self.tick()

    # Taking rows along

    def act_copy(self) -> None:
        table = self.table
        if table is None or table.row is None:
            return
        self.app.copy_to_clipboard(as_text(table.columns, table.row))
        self.notify("The row is in the clipboard of your terminal, if it has one (OSC 52)", timeout=3, markup=False)

    def act_export(self) -> None:
        """The rows that are shown, with all columns that there are."""
        if (table := self.table) is None:
            return
        what, rows = table.view.table, list(table.view.rows)
        ask_and_write(
            self.monitor,
            f"{plural(len(rows), 'row')} (CSV, or JSON if its name ends in .json)",
            what.name,
            ".csv",
            lambda name: exported(name, what.columns, rows),
        )

"""`EventsScreen`: what happened, newest last. It stays at the end until somebody scrolls up; then it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.tables import EVENTS
from snqmon.screens.tables import MESSAGE_CELLS, TableScreen
from snqmon.widgets.painting import Lines, Piece

if TYPE_CHECKING:
    from textual.app import ComposeResult


class NewBelow(Lines):
    """How many events came since the list left its end. A click goes there."""

    DEFAULT_CSS = "NewBelow { height: 1; display: none; background: $bar; } NewBelow.-any { display: block; }"

    def show(self, count: int, key: str, *, is_ascii: bool) -> None:
        self.set_class(count > 0, "-any")
        down = "v" if is_ascii else "↓"
        to_end = "app.dispatch('last')"
        self.paint([Piece(f" {down} {count:,} new", "look", to_end), Piece(f"   {key} goes to the end", "dim", to_end)])


class EventsScreen(TableScreen):
    TABLE = EVENTS
    IS_TAIL = True
    FLEXIBLE = MESSAGE_CELLS

    def __init__(self) -> None:
        super().__init__()
        self.view.is_descending = False
        self._seen = 0

    def body(self) -> ComposeResult:
        yield from super().body()
        yield NewBelow(classes="body")

    def draw(self) -> None:
        super().draw()
        taken = sum(moment.view.events_taken for moment in self.world.moments.values())
        if self.table.is_at_rest or taken < self._seen:
            self._seen = taken
        self.query_one(NewBelow).show(
            taken - self._seen, self.monitor.keymap["last"].shown, is_ascii=self.monitor.is_ascii
        )

    def act_last(self) -> None:
        super().act_last()
        self.tick()

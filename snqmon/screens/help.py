"""`HelpScreen`: what a screen measures, its columns, and every key that works there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.table import Table as Grid
from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from snqmon.keys import Key
    from snqmon.model.columns import Column


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        VerticalScroll {
            width: 96; max-width: 96%; height: auto; max-height: 94%;
            border: round $mark; border-title-color: $mark; border-subtitle-color: $dim;
            background: $background; padding: 0 1; scrollbar-size-vertical: 1;
        }
        Static { height: auto; margin: 0 0 1 0; }
        .help--heading { color: $mark; text-style: bold; margin: 0; }
    }
    """

    def __init__(self, title: str, measures: str, columns: Sequence[Column[Any]], keys: Sequence[Key]) -> None:
        super().__init__()
        self._title, self._measures = title, measures
        self._columns, self._keys = columns, keys

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = f"Help: {self._title}"
            box.border_subtitle = "Escape closes"
            yield Static(self._measures, markup=False)
            yield Static("Keys here", classes="help--heading", markup=False)
            yield Static(_grid((key.shown, key.help) for key in self._keys))
            if self._columns:
                yield Static("Columns", classes="help--heading", markup=False)
                yield Static(_grid((column.heading, column.definition) for column in self._columns))

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=1, animate=False)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=-1, animate=False)


def _grid(pairs: Any) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    for name, words in pairs:
        grid.add_row(Text(name, style="bold"), Text(words))
    return grid

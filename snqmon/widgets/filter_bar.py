"""`FilterBar`: where a filter is typed. It holds at every key; Enter leaves it in force, Escape clears it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class _Line(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", show=False),
        Binding("down,tab", "leave(False)", show=False),
    ]

    def action_leave(self, is_cleared: bool) -> None:
        if is_cleared:
            self.value = ""
        self.post_message(FilterBar.Left())


class FilterBar(Horizontal):
    DEFAULT_CSS = """
    FilterBar {
        display: none; height: 1; background: $bar; color: $foreground;
        Static { width: auto; height: 1; padding: 0 1; color: $mark; text-style: $mark-style; background: $bar; }
        .filter--hint { color: $dim; text-style: $dim-style; }
        Input { width: 1fr; background: $bar; }
    }
    FilterBar.-open { display: block; }
    """

    class Changed(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The keys belong to the table again."""

    def compose(self) -> ComposeResult:
        yield Static("filter /", markup=False)
        yield _Line(compact=True, select_on_focus=False)
        yield Static("! first: all but these   Enter keeps it   Esc clears it", classes="filter--hint", markup=False)

    def open(self, text: str) -> None:
        """Begin with this text, which is in force already."""
        self.add_class("-open")
        self.query_one(".filter--hint").display = self.app.size.width >= 90
        line = self.query_one(_Line)
        with line.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        line.focus()

    def close(self) -> None:
        self.remove_class("-open")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Left())

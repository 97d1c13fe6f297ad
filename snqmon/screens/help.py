"""`HelpScreen`: what a screen measures, its columns, and every key that works there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from snqmon.widgets.manual_view import Entry, ManualView, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from snqmon.keys import Key
    from snqmon.model.columns import Column


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", show=False),
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home,g", "move(-10000)", show=False),
        Binding("end,G", "move(10000)", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        #box {
            width: 96; max-width: 96%; height: auto; max-height: 94%;
            border: round $mark; border-title-color: $mark; border-subtitle-color: $dim;
            background: $background; padding: 0 1;
        }
        ManualView { max-height: 100%; }
    }
    """

    def begin(self, title: str, measures: str, columns: Sequence[Column[Any]], keys: Sequence[Key]) -> None:
        """Say this, from its top."""
        self.query_one("#box").border_title = f"Help: {title}"
        parts = [Part("", words=measures), Part("Keys here", [Entry(key.shown, key.help) for key in keys])]
        if columns:
            parts.append(Part("Columns", [Entry(column.heading, column.definition) for column in columns]))
        self.query_one(ManualView).show(parts)

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_subtitle = "Escape closes"
            yield ManualView()

    def action_move(self, lines: int) -> None:
        self.query_one(ManualView).move_by(lines)

    def action_page(self, pages: int) -> None:
        view = self.query_one(ManualView)
        view.move_by(pages * view.page)

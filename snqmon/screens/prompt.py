"""`Prompt`: asks for one line of text, such as the name of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Prompt(ModalScreen[str]):
    """Gives the text, or an empty one if it was left with Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", show=False)]
    DEFAULT_CSS = """
    Prompt {
        align: center middle;
        Vertical { width: 64; max-width: 94%; height: auto; border: round $mark; background: $bar; padding: 0 1; }
        Static { background: $bar; }
        Input { background: $background; }
        .prompt--hint { color: $dim; text-style: $dim-style; }
    }
    """

    def __init__(self, question: str, text: str, hint: str) -> None:
        super().__init__()
        self._question, self._text, self._hint = question, text, hint

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False)
            yield Input(self._text, compact=True, select_on_focus=False)
            yield Static(self._hint, markup=False, classes="prompt--hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

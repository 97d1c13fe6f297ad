"""`PauseDialog`: for what reason a queue or a site is paused, and for how long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from snqmon.screens.confirm import Confirm, Question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_SECONDS: Final = 365 * 86_400.0


class BadDuration(ValueError):
    """In words, what was wrong and how it is written."""


def seconds_of(words: str) -> float | None:
    """A length of time as people write it; None when nothing is written. Raises `BadDuration`.

    >>> seconds_of("90s"), seconds_of("1h30m"), seconds_of(" 2 d "), seconds_of("")
    (90.0, 5400.0, 172800.0, None)
    """
    compact = re.sub(r"\s", "", words.lower())
    if not compact:
        return None
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", compact):
        raise BadDuration(f"{words.strip()!r} is no length of time: write it as 90s, 30m, 1h30m or 2d")
    seconds = sum(float(number) * _UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([smhd])", compact))
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise BadDuration(f"{words.strip()!r} is too {'short' if seconds < 1 else 'long'}: from 1s to 365d")
    return seconds


class PauseDialog(Confirm, inherit_bindings=False):
    """Letters are text here, so Enter is the yes. `pause` is handed the reason, and the seconds or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "no", id="pause.no"),
        Binding("tab,down", "app.focus_next", show=False),
        Binding("shift+tab,up", "app.focus_previous", show=False),
    ]
    YES_KEY = "Enter"
    NO_KEY = "Escape"
    FIRST = "#reason"
    DEFAULT_CSS = """
    PauseDialog {
        #form { height: auto; margin: 1 0 0 0; }
        #form Static { height: 1; color: $dim; text-style: $dim-style; }
        #form Input { background: $bar; margin: 0 0 1 0; }
        #form #trouble { color: $act; text-style: $act-style; height: auto; }
    }
    """

    def __init__(self, question: Question, pause: Callable[[str, float | None], Awaitable[str]]) -> None:
        super().__init__(question, lambda: pause(*self._wish))
        self._wish: tuple[str, float | None] = ("", None)

    def compose_form(self) -> ComposeResult:
        with Vertical(id="form"):
            yield Static("Reason, which everybody will see", markup=False)
            yield Input(id="reason", compact=True, max_length=200)
            yield Static("For how long: 30m, 1h30m … (empty: until it is resumed)", markup=False)
            yield Input(id="duration", compact=True, max_length=20)
            yield Static("", id="trouble", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_yes()

    def action_yes(self) -> None:
        trouble = self.query_one("#trouble", Static)
        try:
            seconds = seconds_of(self.query_one("#duration", Input).value)
        except BadDuration as error:
            trouble.update(str(error))
            self.query_one("#duration").focus()
            return
        self._wish = (self.query_one("#reason", Input).value.strip(), seconds)
        super().action_yes()

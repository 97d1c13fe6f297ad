"""`WhyScreen`: why something does not move, in a sentence, with the command that mends it, ready to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from snqmon.widgets.detail_head import WELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from snqd.telemetry.why import Answer

_AGAIN_SECONDS: Final = 1.0


class WhyScreen(ModalScreen[None]):
    """It is looked up anew each second, and stays as it was when nobody can say it any more."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy the command", id="why.copy"),
        Binding("escape,enter,w,q", "dismiss(None)", "close", id="why.close"),
    ]
    DEFAULT_CSS = """
    WhyScreen {
        align: center middle;
        #box {
            width: 90%; max-width: 96; height: auto; max-height: 90%;
            border: round $mark; background: $background; padding: 1 2;
        }
        #title { text-style: bold; height: auto; }
        #cause { color: $dim; text-style: $dim-style; height: auto; }
        #sentence { height: auto; margin: 1 0; }
        #label { color: $dim; text-style: $dim-style; height: 1; }
        #command { color: $mark; height: auto; margin: 0 0 1 2; }
        #keys { color: $dim; text-style: $dim-style; height: 1; }
    }
    """

    _ask: Callable[[], Answer | None]
    _command = ""

    def begin(self, title: str, ask: Callable[[], Answer | None]) -> None:
        """`ask`: what the facts say now; None = nothing can be said any more."""
        self._ask = ask
        self.query_one("#title", Static).update(title)
        self._look()

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(id="title", markup=False)
            yield Static(id="cause", markup=False)
            yield Static(id="sentence", markup=False)
            yield Static(id="label", markup=False)
            yield Static(id="command", markup=False)
            yield Static("y copies the command   Escape closes", id="keys", markup=False)

    def on_mount(self) -> None:
        self.set_interval(_AGAIN_SECONDS, self._look_again)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._command)
        self.notify("The command is in the clipboard of your terminal, if it has one (OSC 52)", timeout=3, markup=False)

    def _look_again(self) -> None:
        if self.is_active:
            self._look()

    def _look(self) -> None:
        answer = self._ask()
        if answer is None:
            return
        self._command = answer.command
        sentence = answer.sentence[:1].upper() + answer.sentence[1:]
        is_well = answer.cause in WELL
        self.query_one("#cause", Static).update("Nothing is wrong." if is_well else f"Cause: {answer.cause}")
        do = "To see more" if is_well else "What to do"
        self.query_one("#label", Static).update(f"{do}, in a shell on the daemon's host:")
        self.query_one("#sentence", Static).update(f"{sentence}.")
        self.query_one("#command", Static).update(answer.command)

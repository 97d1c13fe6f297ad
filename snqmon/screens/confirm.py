"""`Confirm`: a question before something is changed, the wait while it is done, and what went wrong if it was not.

It names what will be done, to what and to how many. What destroys has no default: a stray Enter does nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from snqd.errors import SnqdError
from snqmon.widgets.spinner import spinner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult
    from textual.timer import Timer

    from snqmon.app import Monitor

_FRAME_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Question:
    title: str
    """What will be done, with target and count: `Discard 37 dead letters of queue mail?`"""
    lines: tuple[str, ...] = ()
    """What follows from it."""
    yes: str = "Yes"
    """The verb."""
    is_danger: bool = False
    """It destroys something."""
    whom: str = "the daemon"
    """Who is asked to do it: shown while an answer is waited for."""


class Confirm(ModalScreen[str | None]):
    """Dismissed with what the daemon said, or None when it was not asked, or refused."""

    YES_KEY: ClassVar[str] = "y"
    NO_KEY: ClassVar[str] = "n"
    FIRST: ClassVar[str] = "#yes"
    """What has the focus at first, unless it is dangerous."""
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "yes", id="confirm.yes"),
        Binding("n,escape", "no", "no", id="confirm.no"),
    ]
    DEFAULT_CSS = """
    Confirm {
        align: center middle;
        #box {
            width: 80%; max-width: 76; height: auto; max-height: 90%;
            border: round $mark; background: $background; padding: 1 2;
        }
        #box.-danger { border: heavy $act; }
        #title { text-style: bold; height: auto; }
        #box.-danger #title { color: $act; }
        #lines { height: auto; margin: 1 0 0 0; }
        #answers { height: 1; margin: 1 0 0 0; }
        #outcome { height: auto; margin: 1 0 0 0; display: none; }
        #outcome.-failed { color: $act; text-style: $act-style; }
        &.-asking #outcome { display: block; }
        &.-asking #answers, &.-asking #form { display: none; }
        #answers Button { margin: 0 2 0 0; background: $bar; color: $foreground; }
        #box.-danger #yes { color: $act; text-style: $act-style; }
    }
    """

    def __init__(self, question: Question, deed: Callable[[], Awaitable[str]]) -> None:
        """`deed` does it, and says what happened in a sentence; `SnqdError` or `OSError` = it was not done."""
        super().__init__()
        self._question = question
        self._deed = deed
        self._asked_at = 0.0
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        asked = self._question
        with Vertical(id="box", classes="-danger" if asked.is_danger else ""):
            yield Static(asked.title, id="title", markup=False)
            if asked.lines:
                yield Static("\n".join(asked.lines), id="lines", markup=False)
            yield from self.compose_form()
            with Horizontal(id="answers"):
                yield Button(f"{asked.yes} ({self.YES_KEY})", id="yes", compact=True)
                yield Button(f"No ({self.NO_KEY})", id="no", compact=True)
            yield Static(id="outcome", markup=False)

    def compose_form(self) -> ComposeResult:
        """What a person may fill in, for dialogs that want more than a yes; its id is `form`."""
        yield from ()

    def on_mount(self) -> None:
        if not self._question.is_danger:
            self.query_one(self.FIRST).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.action_no()

    def action_yes(self) -> None:
        if self.has_class("-asking"):
            return
        self.add_class("-asking")
        self._asked_at = time.monotonic()
        self._show_wait()
        self._timer = self.set_interval(_FRAME_SECONDS, self._show_wait)
        self.run_worker(self._do(), group="deed")

    def action_no(self) -> None:
        """Also while it is being done: then it may happen all the same, which the words of the wait say."""
        self.dismiss(None)

    async def _do(self) -> None:
        try:
            said = await self._deed()
        except (SnqdError, OSError) as error:
            if self._timer is not None:
                self._timer.stop()
            outcome = self.query_one("#outcome", Static)
            outcome.add_class("-failed")
            outcome.update(f"Not done: {error}\n\nEscape closes.")
        else:
            self.dismiss(said)

    def _show_wait(self) -> None:
        seconds = time.monotonic() - self._asked_at
        turning = spinner(seconds, is_ascii=cast("Monitor", self.app).is_ascii)
        words = f"{turning} asking {self._question.whom} … {seconds:.0f}s"
        if seconds > 2:
            words += "   (Escape stops waiting; it may be done all the same)"
        self.query_one("#outcome", Static).update(words)

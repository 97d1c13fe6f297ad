"""`StackScreen`: what every thread of a worker does right now, as its hub can see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqmon.keys import Where
from snqmon.model import formats
from snqmon.screens.base import MonitorScreen
from snqmon.widgets.painting import Lines, Piece
from snqmon.widgets.spinner import spinner
from snqmon.widgets.text_view import TextView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from snqmon.actions import Offer
    from snqmon.model.columns import Row

_FRAME_SECONDS = 0.1


class StackScreen(MonitorScreen):
    """`T` takes it again, so that one sees whether it moves."""

    AUTO_FOCUS = "TextView"
    IS_DETAIL = True
    title_words = "Stack"
    measures = (
        "The Python stack of every thread of one worker, newest call first, without the values of variables. "
        "Taking it does not disturb the worker."
    )

    def __init__(self, offer: Offer, row: Row) -> None:
        super().__init__()
        self.crumbs = (offer.title,)
        self._offer, self._row = offer, row
        self._asked_at: float | None = None
        self._words = ""
        self._grade = ""

    def body(self) -> ComposeResult:
        yield Lines(id="head", classes="body")
        yield TextView(classes="body")

    def on_mount(self) -> None:
        self.set_interval(_FRAME_SECONDS, self._show_head)
        self.take()

    @property
    def subject(self) -> Row | None:
        return self._row

    @property
    def places(self) -> frozenset[Where]:
        return super().places | {Where.TABLE}

    def take(self) -> None:
        """Ask for it, unless that is being done."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self.run_worker(self._take(), group="stack")

    async def _take(self) -> None:
        control = self.monitor.control
        assert control is not None, "an action that is not available is not begun"
        try:
            answer = await control.ask(self._offer.daemon, self._offer.request)
        except SnqdError as error:
            self._words, self._grade = str(error), "act"
        else:
            lines = str(answer.get("stack", "")).splitlines()
            self._words = f"pid {answer.get('pid')} at {formats.clock(self.monitor.feed.wall())}; T takes it again"
            self._grade = "dim"
            self.query_one(TextView).show(Piece(line, "bold" if line.startswith("Thread") else "") for line in lines)
        finally:
            self._asked_at = None
        self._show_head()

    def draw(self) -> None:
        self._show_head()

    def _show_head(self) -> None:
        head = self.query_one("#head", Lines)
        if self._asked_at is None:
            head.paint([Piece(" "), Piece(self._offer.title, "bold"), Piece(f"  {self._words}", self._grade)])
            return
        seconds = time.monotonic() - self._asked_at
        turning = spinner(seconds, is_ascii=self.monitor.is_ascii)
        words = f"  {turning} asking {self._offer.daemon}, {seconds:.0f}s"
        head.paint([Piece(" "), Piece(self._offer.title, "bold"), Piece(words, "dim")])

    # Keys

    def act_move(self, lines: int) -> None:
        self.query_one(TextView).move_by(lines)

    def act_page(self, pages: int) -> None:
        view = self.query_one(TextView)
        view.move_by(pages * view.page)

    def act_first(self) -> None:
        self.query_one(TextView).move_to(0)

    def act_last(self) -> None:
        view = self.query_one(TextView)
        view.move_to(view.virtual_size.height)

    def act_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one(TextView).text)
        self.notify("The stack is in the clipboard of your terminal, if it has one (OSC 52)", timeout=3, markup=False)

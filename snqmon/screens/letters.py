"""`LettersScreen`: the dead letters of a queue or a site, a page at a time over the control socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.errors import SnqdError
from snqmon.model.marks import Letters
from snqmon.model.table_view import TableView
from snqmon.screens.base import MonitorScreen
from snqmon.widgets.fact_table import FactTable
from snqmon.widgets.painting import Lines, Piece
from snqmon.widgets.spinner import spinner

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from snqmon.actions import Offer
    from snqmon.keys import Key
    from snqmon.model.dead import DeadRow

_FRAME_SECONDS = 0.1
_AHEAD = 20
"""Rows before the end at which the next page is asked for."""


class LettersScreen(MonitorScreen):
    IS_DETAIL = True

    def __init__(self, offer: Offer, *, is_ascii: bool) -> None:
        super().__init__()
        self.letters = Letters(offer)
        table = self.letters.table(is_ascii=is_ascii)
        self.crumbs = (offer.title,)
        self.title_words, self.measures = table.title, table.measures
        self.view = TableView(table)
        self._asked_at: float | None = None
        self._problem = ""

    def body(self) -> ComposeResult:
        yield Lines(id="head", classes="body")
        yield FactTable(self.view, is_ascii=self.monitor.is_ascii, classes="body")

    def on_mount(self) -> None:
        self.set_interval(_FRAME_SECONDS, self._show_head)
        self.load()

    @property
    def table(self) -> FactTable[DeadRow]:
        return self.query_one(FactTable)

    def offer(self, key: Key) -> Offer | None:
        offer = super().offer(key)
        return offer if offer is None or key.id not in ("retry", "discard") else self.letters.chosen(offer)

    def load(self) -> None:
        """Ask for the next page, unless one is on its way or there is none."""
        if self._asked_at is None and self.letters.has_more:
            self._asked_at = time.monotonic()
            self._problem = ""
            self.run_worker(self._load(), group="letters")

    def load_anew(self) -> None:
        """Some of them are gone now."""
        self.letters.begin_anew()
        self.load()

    def acted(self) -> None:
        self.load_anew()

    async def _load(self) -> None:
        control = self.monitor.control
        assert control is not None, "an action that is not available is not begun"
        try:
            answer = await control.ask(self.letters.offer.daemon, self.letters.request)
            self.letters.take(answer, self.monitor.feed.wall())
        except SnqdError as error:
            self._problem = str(error)
        finally:
            self._asked_at = None
        self.tick()

    def draw(self) -> None:
        self.table.show(self.letters.rows, self.monitor.clock())
        self._show_head()

    def _show_head(self) -> None:
        line = [Piece(" "), Piece(self.letters.words, "bold")]
        if self._asked_at is not None:
            seconds = time.monotonic() - self._asked_at
            turning = spinner(seconds, is_ascii=self.monitor.is_ascii)
            line.append(Piece(f" {turning} asking {self.letters.offer.daemon}, {seconds:.0f}s", "dim"))
        elif self._problem:
            line.append(Piece(f" {self._problem}", "act"))
        self.query_one("#head", Lines).paint(line)

    # Keys

    def act_mark(self) -> None:
        """And on to the next, so that some in a row are marked quickly."""
        row = self.table.row
        if row is not None:
            self.letters.toggle(row)
            self.table.move_by(1, self.monitor.clock())
            self.tick()

    def act_mark_all(self) -> None:
        self.letters.toggle_all()
        self.tick()

    def on_fact_table_moved(self) -> None:
        super().on_fact_table_moved()
        if self.view.cursor_index >= len(self.view.rows) - _AHEAD:
            self.load()

"""The workers' places on the board, by the names that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.telemetry.board import Board, SlotView


class Slots:
    def __init__(self, daemon: str, board: Board) -> None:
        self._daemon = daemon
        self._board = board

    def name(self, number: int) -> str:
        return f"{self._daemon}.{number}"

    def of(self, worker: str) -> SlotView:
        """The slot of `main.1`, or of `1`. Raises `SnqdError` when there is none."""
        views = {view.number: view for view in self._board.used()}
        number = worker.removeprefix(f"{self._daemon}.")
        if number.isascii() and number.isdigit() and int(number) in views:
            return views[int(number)]
        known = ", ".join(map(self.name, sorted(views))) or "none yet"
        raise SnqdError(f"there is no worker {worker!r}: the workers are {known}")

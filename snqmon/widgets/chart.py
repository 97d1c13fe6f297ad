"""`ChartView`: one chart, drawn anew when its figures or its size change, and then only the lines that did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.charts.drawing import draw
from snqmon.widgets.painting import Lines, Piece

if TYPE_CHECKING:
    from snqmon.charts.drawing import Chart


class ChartView(Lines):
    """A chart in as much room as it is given. Empty until it is told what to show."""

    DEFAULT_CSS = "ChartView { height: 8; width: 1fr; }"

    def __init__(self, *, is_ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._is_ascii = is_ascii
        self._chart: Chart | None = None

    def show(self, chart: Chart) -> None:
        """Show these figures from now on."""
        self._chart = chart
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._chart is not None:
            lines = draw(self._chart, *self.size, is_ascii=self._is_ascii)
            self.paint(*([Piece(*piece) for piece in line] for line in lines))

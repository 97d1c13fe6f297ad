"""A chart as lines of pieces: title with unit and scale, marks, lines, time. Its widget only has to colour it.

```
lag · seconds                                      0 to 45s · most 38s
45s ┤                                                      ⣀⡠⠤⠒⠊⠉ 38s
30s ┤                                        ⣀⡠⠤⠒⠊⠉
15s ┤                         ⢀⣀⣀⠤⠤⠔⠒⠒⠉⠉
  0 └╴-1m╶──────────╴-45s╶─────────╴-30s╶─────────╴-15s╶──────╴now╶
```
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Final, NamedTuple

from snqmon.charts.canvas import EMPTY, STYLES, Canvas
from snqmon.charts.scale import Scale, Unit, mark_words, scale_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEAST_WIDTH: Final = 24
LEAST_HEIGHT: Final = 4
"""Smaller than this, a chart says nothing: it is left out."""
_SERIES: Final = ("mark", "", "dim")
"""What the lines are painted as, by their places. Good, look and act are judgements, so no line has their colours."""
_RECENT_STEPS: Final = 8
_ROOM_FOR_LABELS: Final = 48
"""From this width on, what a line is stands at its end."""


@dataclass(frozen=True, slots=True)
class Series:
    label: str
    """Short: `p95`, `in`."""
    values: Sequence[float]
    """Oldest first, at even distances over the chart's span, the last one now; NaN = not known, which leaves a gap."""

    @property
    def last(self) -> float | None:
        """The newest value: some figures are measured every few steps only. None = it is not known lately."""
        recent = reversed(self.values[-_RECENT_STEPS:])
        return next((value for value in recent if not isnan(value)), None)

    @property
    def most(self) -> float | None:
        known = [value for value in self.values if not isnan(value)]
        return max(known, default=None)


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    unit: Unit
    span_seconds: float
    series: tuple[Series, ...]
    """At most three."""
    words: Callable[[float], str]
    """A value as it is written everywhere else: `38s`, `61M`."""
    limit: float | None = None
    """A threshold: drawn as a line across when it is in sight."""
    limit_words: str = ""
    """What the threshold is: `soft limit`."""


class Piece(NamedTuple):
    """Text and its meaning, as widgets paint it: bold, dim, mark, look, or none."""

    text: str
    meaning: str = ""


Line = list[Piece]


def draw(chart: Chart, width: int, height: int, *, is_ascii: bool) -> list[Line]:
    """`height` lines of exactly `width` characters; none at all when there is no room to say anything."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return []
    rows = height - 2
    known = [most for series in chart.series if (most := series.most) is not None]
    most = max(known, default=None)
    scale = _scale(chart, most, rows)
    labels = {mark: mark_words(mark, chart.unit) for mark in scale.marks}
    left = max(len(label) for label in labels.values())
    right = _room_at_the_right(chart, width)
    canvas = Canvas(width - left - 2 - right, rows, is_ascii=is_ascii)
    for number, series in enumerate(chart.series):
        canvas.line(series.values, scale.top, number)
    lines = [_title(chart, scale, most, width, is_ascii=is_ascii)]
    lines += _plot(chart, canvas, scale, labels, (left, right), is_empty=most is None)
    lines.append(_time(chart.span_seconds, labels[0.0].rjust(left), canvas.width, right, is_ascii=is_ascii))
    if is_ascii:
        return [[Piece(piece.text.replace("µ", "u"), piece.meaning) for piece in line] for line in lines]
    return lines


def _scale(chart: Chart, most: float | None, rows: int) -> Scale:
    """A limit that is not far away is in sight, so that one sees how near it is."""
    highest = most or 0.0
    if chart.limit is not None and highest >= chart.limit / 4:
        highest = max(highest, chart.limit)
    return scale_for(highest, chart.unit, rows)


def _title(chart: Chart, scale: Scale, most: float | None, width: int, *, is_ascii: bool) -> Line:
    """Title, unit, a legend when there is more than one line, and at the right the scale and the highest value."""
    dot = "-" if is_ascii else "·"
    found: Line = [Piece(chart.title, "bold")]
    if chart.unit != chart.title:
        found.append(Piece(f" {dot} {chart.unit}", "dim"))
    if len(chart.series) > 1:
        for number, series in enumerate(chart.series):
            style = STYLES[number]
            found.append(Piece(f"  {style.plain if is_ascii else style.sample} {series.label}", _SERIES[number]))
    said = "nothing known" if most is None else f"most {chart.words(most)}"
    for right in (f"0 to {mark_words(scale.top, chart.unit)} {dot} {said}", said):
        left = width - sum(len(piece.text) for piece in found) - len(right)
        if left >= 2:
            return [*found, Piece(" " * left, "dim"), Piece(right, "dim")]
    return _cut(found, width)


def _plot(
    chart: Chart, canvas: Canvas, scale: Scale, labels: dict[float, str], margins: tuple[int, int], *, is_empty: bool
) -> list[Line]:
    left, right = margins
    marks = {canvas.row_of(mark, scale.top): label for mark, label in labels.items() if mark}
    limit_row = -1
    if chart.limit is not None and 0 < chart.limit <= scale.top:
        limit_row = canvas.row_of(chart.limit, scale.top)
    ends = _ends(chart, canvas, scale) if right else {}
    stem, tick, dash = ("|", "+", "-") if canvas.is_ascii else ("│", "┤", "╌")
    lines: list[Line] = []
    for row in range(canvas.height):
        line = [Piece(f"{marks.get(row, ''):>{left}} {tick if row in marks else stem}", "dim")]
        for text, owner in canvas.runs(row):
            if owner != EMPTY:
                line.append(Piece(text, _SERIES[owner]))
            elif row == limit_row:
                line.append(Piece(dash * len(text), "look"))
            else:
                line.append(Piece(text))
        if row == limit_row and chart.limit_words:
            line = _written_over(line, f" {chart.limit_words} ", left + 3)
        if is_empty and row == canvas.height // 2:
            line = _written_over(line, "nothing known in this time", left + 3, meaning="dim")
        number, text = ends.get(row, (0, ""))
        line.append(Piece(f" {text}".ljust(right)[:right], _SERIES[number]))
        lines.append(line)
    return lines


def _room_at_the_right(chart: Chart, width: int) -> int:
    if width < _ROOM_FOR_LABELS:
        return 0
    return max((len(_end(chart, series)) for series in chart.series), default=0) + 1


def _end(chart: Chart, series: Series) -> str:
    """What stands at the end of a line: which it is, and what it is now."""
    value = "?" if series.last is None else chart.words(series.last)
    return value if len(chart.series) == 1 else f"{series.label} {value}"


def _ends(chart: Chart, canvas: Canvas, scale: Scale) -> dict[int, tuple[int, str]]:
    """The label of each series' end by line: where the line ends, or as near as the others leave room for, the highest
    on top. What there is no room for is left to the legend."""
    known = [(series.last, number) for number, series in enumerate(chart.series) if series.last is not None]
    known = sorted(known, key=lambda each: -each[0])[: canvas.height]
    rows: list[int] = []
    for value, _number in known:
        rows.append(max(canvas.row_of(value, scale.top), rows[-1] + 1 if rows else 0))
    limit = canvas.height - 1
    for place in reversed(range(len(rows))):
        rows[place] = min(rows[place], limit)
        limit = rows[place] - 1
    return {row: (number, _end(chart, chart.series[number])) for row, (_value, number) in zip(rows, known, strict=True)}


def _time(span: float, zero: str, width: int, right: int, *, is_ascii: bool) -> Line:
    """The axis of time, with its marks written into it."""
    corner, dash, before, after = ("+", "-", " ", " ") if is_ascii else ("└", "─", "╴", "╶")
    axis = [dash] * width
    quarters = 4 if width >= 40 else 2
    for number in range(quarters + 1):
        seconds = span * (quarters - number) / quarters
        text = f"{before}{_time_words(seconds)}{after}"
        middle = round((width - 1) * number / quarters)
        begin = min(max(0, middle - len(text) // 2), width - len(text))
        axis[begin : begin + len(text)] = text
    return [Piece(f"{zero} {corner}{''.join(axis)}{' ' * right}", "dim")]


def _time_words(seconds: float) -> str:
    """
    >>> [_time_words(seconds) for seconds in (0, 15, 60, 75, 225, 900)]
    ['now', '-15s', '-1m', '-1m15s', '-3m45s', '-15m']
    """
    if not seconds:
        return "now"
    minutes, rest = divmod(round(seconds), 60)
    return "-" + (f"{minutes}m" if minutes else "") + (f"{rest}s" if rest else "")


def _written_over(line: Line, text: str, begin: int, meaning: str = "look") -> Line:
    """The line with a text laid over it, from column `begin` on."""
    room = sum(len(piece.text) for piece in line) - begin
    text = text[: max(0, room)]
    return [*_cut(line, begin), Piece(text, meaning), *_after(line, begin + len(text))]


def _cut(line: Line, width: int) -> Line:
    """The first `width` characters, filled up if there are fewer."""
    found: Line = []
    for piece in line:
        if width <= 0:
            break
        found.append(Piece(piece.text[:width], piece.meaning))
        width -= len(piece.text)
    if width > 0:
        found.append(Piece(" " * width))
    return found


def _after(line: Line, begin: int) -> Line:
    """What stands from column `begin` on."""
    found: Line = []
    for piece in line:
        if begin < len(piece.text):
            found.append(Piece(piece.text[max(0, begin) :], piece.meaning))
        begin -= len(piece.text)
    return found

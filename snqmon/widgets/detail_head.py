"""`DetailHead`: what a detail is about, how it stands with it in a sentence, and the command that mends it."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from snqd.telemetry.why import Cause
from snqmon.model.cells import PLAIN_SIGNS, SIGNS
from snqmon.widgets.painting import OF_GRADE, Lines, Piece, cells, fit

if TYPE_CHECKING:
    from snqmon.model.details import Detail

_MOST_LINES: Final = 3
"""Of a sentence, the whole of which `w` shows; one less where the screen is low."""
_LOW: Final = 30
WELL: Final = frozenset({Cause.MOVES, Cause.NOTHING_WAITS})
"""There is nothing to mend, and the command only shows more."""


class DetailHead(Lines):
    """As high as its words."""

    DEFAULT_CSS = "DetailHead { height: 1; }"

    def __init__(self, *, is_ascii: bool = False, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._signs = PLAIN_SIGNS if is_ascii else SIGNS
        self._more = "~" if is_ascii else "…"
        self.height = 1
        """Lines that it takes."""

    def show(self, detail: Detail, *, is_dimmed: bool) -> None:
        lines = self._words(detail, "dim" if is_dimmed else OF_GRADE[detail.grade])
        if len(lines) != self.height:
            self.height = len(lines)
            self.styles.height = self.height
        self.paint(*lines)

    def _words(self, detail: Detail, meaning: str) -> list[list[Piece]]:
        """Sentences about a queue begin with its name; where they do not, the title stands before them."""
        begins_so = detail.summary.startswith(detail.title)
        text = detail.summary if begins_so else f"{detail.title}  {detail.summary}"
        sign = self._signs.get(detail.grade, "")
        width, height = self.app.size
        room = max(8, width - 2)
        most = _MOST_LINES - (height < _LOW)
        folded = wrap(sign + text, room)
        if len(folded) > most:
            folded = [*folded[: most - 1], fit(" ".join(folded[most - 1 :]), room, more=self._more)]
        end = min(len(sign) + len(detail.title), len(folded[0]))
        lines = [[Piece(" "), Piece(folded[0][:end], meaning or "bold"), Piece(folded[0][end:])]]
        lines += [[Piece(f" {line}")] for line in folded[1:]]
        why = detail.why
        if why is not None and why.sentence != detail.summary:
            begin, room_for_why = " why:  ", room - 6
            folded = wrap(why.sentence, room_for_why)[:most]
            lines += [
                [Piece(begin if not number else " " * 7, "dim"), Piece(line)] for number, line in enumerate(folded)
            ]
        if why is not None and why.command and why.cause not in WELL:
            label = " mend it:  "
            command = fit(why.command, min(cells(why.command), room - len(label)), more=self._more)
            lines.append([Piece(label, "dim"), Piece(command, "mark", "app.dispatch('why')")])
        return lines

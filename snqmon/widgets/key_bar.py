"""`KeyBar`: the keys that work here and now. What is shown but not available, such as control, is dim."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqmon.widgets.painting import Lines, Piece, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Hint(NamedTuple):
    key: str
    """As it is written on keyboards: `/`, `space`."""
    label: str
    action: str
    is_enabled: bool = True
    is_last: bool = False
    """Stands at the right end, and goes last when there is no room: help and quit."""


class KeyBar(Lines):
    DEFAULT_CSS = "KeyBar { height: 1; background: $bar; }"

    def show(self, hints: Sequence[Hint]) -> None:
        """The first ones matter most: where there is no room, the last ones are left to the help."""
        self.paint(key_line(hints, self.size.width))


def key_line(hints: Sequence[Hint], width: int) -> list[Piece]:
    """The line in at most `width` cells."""
    line = [Piece(" ")]
    ends = [piece for hint in hints if hint.is_last for piece in _pieces(hint)]
    room = width - width_of(line) - width_of(ends)
    for hint in hints:
        pieces = [] if hint.is_last else _pieces(hint)
        room -= width_of(pieces)
        if room < 0:
            break
        line += pieces
    used = width_of(line) + width_of(ends)
    return [*line, Piece(" " * max(0, width - used)), *ends]


def _pieces(hint: Hint) -> list[Piece]:
    run = f"app.dispatch({hint.action!r})"
    if not hint.is_enabled:
        return [Piece(f"{hint.key} {hint.label}  ", "dim", run)]
    return [Piece(hint.key, "mark", run), Piece(f" {hint.label}  ", "", run)]

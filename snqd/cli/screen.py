"""Lines that fit a terminal: styled pieces of text, cut to its width and drawn without a flicker. Plain ANSI."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the other screen, without a cursor
_HOME, _CLEAR_REST, _CLEAR_LINE_END = "\x1b[H", "\x1b[J", "\x1b[K"


class Piece(NamedTuple):
    """Some text in one style (an SGR code, empty = plain)."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]


def line(text: str, style: str = "") -> Line:
    return (Piece(text, style),)


def table(headers: Sequence[str], rows: Iterable[Sequence[Piece]], *, right: frozenset[str]) -> list[Line]:
    """Aligned columns, two spaces apart; those named in `right` are numbers."""
    cells = [tuple(Piece(header, BOLD) for header in headers), *map(tuple, rows)]
    widths = [max(len(piece.text) for piece in column) for column in zip(*cells, strict=True)]

    def aligned(piece: Piece, header: str, width: int) -> Piece:
        text = piece.text.rjust(width) if header in right else piece.text.ljust(width)
        return piece._replace(text=f"{text}  ")

    return [
        tuple(aligned(piece, header, width) for piece, header, width in zip(row, headers, widths, strict=True))
        for row in cells
    ]


def cut(pieces: Line, width: int) -> Line:
    """At most `width` characters; a line that is longer ends with an ellipsis."""
    if pieces:
        pieces = (*pieces[:-1], pieces[-1]._replace(text=pieces[-1].text.rstrip()))
    length = sum(len(piece.text) for piece in pieces)
    left = width if length <= width else width - 1
    kept = []
    for piece in pieces:
        kept.append(piece._replace(text=piece.text[:left]))
        left -= len(kept[-1].text)
    return tuple(kept) if length <= width else (*kept, Piece("…"))


class Screen:
    """A terminal that is drawn on again and again."""

    def __init__(self) -> None:
        self._is_coloured = "NO_COLOR" not in os.environ

    @staticmethod
    def is_possible() -> bool:
        """Whether standard output is a terminal that can be drawn on."""
        return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        found = shutil.get_terminal_size()
        return found.columns, found.lines

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, the terminal is ours; after it, it looks as before."""
        click.echo(_ENTER, nl=False)
        try:
            yield
        finally:
            click.echo(_LEAVE, nl=False)

    def draw(self, lines: Sequence[Line]) -> None:
        """Over the last drawing. Lines and columns that the terminal does not have are left out."""
        columns, rows = self.size
        text = "\n".join(f"{self._text(cut(pieces, columns))}{_CLEAR_LINE_END}" for pieces in lines[:rows])
        click.echo(f"{_HOME}{text}{_CLEAR_REST}", nl=False)

    def _text(self, pieces: Line) -> str:
        if not self._is_coloured:
            return "".join(piece.text for piece in pieces).rstrip()
        return "".join(f"\x1b[{style}m{text}\x1b[0m" if style and text else text for text, style in pieces)

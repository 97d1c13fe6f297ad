"""What people and programs read: tables, JSON lines, narration, and text that cannot play tricks on a terminal."""

from __future__ import annotations

import itertools
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from snqd.telemetry.words import duration_words as duration_words
from snqd.telemetry.words import plural as plural
from snqd.telemetry.words import size_words as size_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SAMPLE_ROWS = 200


def narrate(message: str) -> None:
    """A line for the person at the terminal, on standard error."""
    click.echo(f"snqd: {message}", err=True)


def narrate_on_terminal(message: str) -> None:
    """The same, but silent in scripts and cron, where any line becomes mail."""
    if sys.stderr.isatty():
        narrate(message)


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode())


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[str] = frozenset()) -> str:
    """Aligned columns; those named in `right` are numbers. Lines end without spaces."""
    return "\n".join(table_lines(headers, rows, right=right))


def table_lines(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[str] = frozenset()
) -> Iterator[str]:
    """`table`, a line at a time: any number of rows in constant memory, aligned to the first ones."""
    waiting = iter(rows)
    sample = [[printable(str(cell)) for cell in row] for row in itertools.islice(waiting, _SAMPLE_ROWS)]
    widths = [max(map(len, column)) for column in zip(headers, *sample, strict=True)]

    def line(cells: Sequence[str]) -> str:
        parts = (
            cell.rjust(width) if header in right else cell.ljust(width)
            for header, cell, width in zip(headers, cells, widths, strict=True)
        )
        return "  ".join(parts).rstrip()

    yield line(headers)
    yield from map(line, sample)
    for row in waiting:
        yield line([printable(str(cell)) for cell in row])


def printable(text: str) -> str:
    """`text` on one line, with control characters made visible: names and errors come from anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def clipped(text: str, width: int) -> str:
    """The first line of `text`, at most `width` characters."""
    first = text.strip().split("\n", 1)[0]
    return first if len(first) <= width else f"{first[: width - 1]}…"


def time_words(epoch_seconds: float | None) -> str:
    """Local time with its zone, to the second."""
    if epoch_seconds is None:
        return "-"
    try:
        return datetime.fromtimestamp(epoch_seconds).astimezone().isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{epoch_seconds:.0f}"

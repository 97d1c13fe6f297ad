"""What people and programs read: tables, JSON lines, narration, and text that cannot play tricks on a terminal."""

from __future__ import annotations

import itertools
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

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


def duration_words(seconds: float) -> str:
    """`0.4s`, `12s`, `3m20s`, `2h05m`, `4d03h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def size_words(size_bytes: int) -> str:
    """`812 B`, `31 MiB`, `1.2 GiB`."""
    amount, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


def time_words(epoch_seconds: float | None) -> str:
    """Local time with its zone, to the second."""
    if epoch_seconds is None:
        return "-"
    try:
        return datetime.fromtimestamp(epoch_seconds).astimezone().isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{epoch_seconds:.0f}"


def plural(count: int, noun: str) -> str:
    """`1 item`, `2,000 items`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

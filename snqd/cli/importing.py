"""What `snqd schema import-statusnet` tells: rows read so far, and what was carried over."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from snqd.cli.output import narrate, plural, print_json, table_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from snqd.stores.postgres.statusnet import Flow

_NUMBERS = frozenset({"ITEMS", "WERE CLAIMED", "CARRIED BEFORE"})


@contextmanager
def told_on_terminal(doing: str) -> Iterator[Callable[[int], None]]:
    """A line that counts rows, on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _rows: None
        return

    def tell(rows: int) -> None:
        click.echo(f"\rsnqd: {doing}: {rows:,} rows", err=True, nl=False)

    try:
        yield tell
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def report(flows: Sequence[Flow], *, table: str, is_dry_run: bool, as_json: bool) -> None:
    """Counts by queue and codec on standard output, and in words what they mean on standard error."""
    if as_json:
        print_json([flow._asdict() for flow in flows])
    elif flows:
        for line in table_lines(("QUEUE", "CODEC", "ITEMS", "WERE CLAIMED", "CARRIED BEFORE"), flows, right=_NUMBERS):
            click.echo(line)
    items = sum(flow.items for flow in flows)
    before = sum(flow.carried_before for flow in flows)
    done = "would be carried over" if is_dry_run else "carried over"
    words = f"{plural(items, 'item')} {done}"
    if before:
        words += f"; {plural(before, 'row')} had been carried over before"
    if not flows:
        words = f"nothing waits in {table}"
    narrate(words if is_dry_run else f"{words}; the rows of {table} are kept until you drop it")

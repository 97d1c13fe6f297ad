"""A progress bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click._termui_impl import ProgressBar


class Progress:
    """Of lines read from a stream; a file has a known length, a pipe has not."""

    def __init__(self, bar: ProgressBar[str] | None = None) -> None:
        self._bar = bar
        self._began = time.monotonic()

    @classmethod
    @contextmanager
    def on_terminal(cls, descriptor: int) -> Iterator[Progress]:
        """A bar on standard error if that is a terminal and `descriptor` is not typed by hand."""
        if not sys.stderr.isatty() or os.isatty(descriptor):
            yield cls()
            return
        with click.progressbar(
            _of_unknown_length(),  # so that a pipe gets a moving bar
            length=_bytes_left(descriptor),
            label="enqueue",
            file=sys.stderr,
            show_eta=True,
            item_show_func=lambda words: words,
        ) as bar:
            yield cls(bar)

    def advance(self, read_bytes: int, lines: int) -> None:
        """`read_bytes` more have been read, `lines` in all."""
        if self._bar is not None:
            rate = lines / max(time.monotonic() - self._began, 0.001)
            self._bar.update(read_bytes, f"{lines:,} lines, {rate:,.0f}/s")


def _of_unknown_length() -> Iterator[str]:
    yield from ()


def _bytes_left(descriptor: int) -> int | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    return max(status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR), 0)


class Counting:
    """Of things that are done one after the other."""

    def __init__(self, bar: ProgressBar[str] | None = None) -> None:
        self._bar = bar
        self._began = time.monotonic()
        self._done = 0

    @classmethod
    @contextmanager
    def on_terminal(cls, label: str, count: Callable[[], int] | None) -> Iterator[Counting]:
        """A bar on standard error if that is a terminal; only then is it asked how many there are."""
        if not sys.stderr.isatty():
            yield cls()
            return
        with click.progressbar(
            _of_unknown_length(),
            length=count() if count is not None else None,
            label=label,
            file=sys.stderr,
            show_eta=True,
            item_show_func=lambda words: words,
        ) as bar:
            yield cls(bar)

    def advance(self, done: int) -> None:
        """So many more."""
        self._done += done
        if self._bar is not None:
            rate = self._done / max(time.monotonic() - self._began, 0.001)
            self._bar.update(done, f"{self._done:,}, {rate:,.0f}/s")

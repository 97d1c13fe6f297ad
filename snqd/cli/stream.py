"""Items from a stream, in batches, in constant memory; whatever happens, it is known which lines are stored.

INT and TERM are obeyed where input is awaited; a transaction that is on its way may end, unless a second signal comes.
A batch is stored when it is full, or when the stream pauses: items of a slow stream do not wait for company.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from snqd.cli.exits import Exit
from snqd.cli.output import narrate, plural
from snqd.cli.progress import Progress
from snqd.cli.signals import Interrupted, Signals
from snqd.cli.storing import Batch, Storing
from snqd.errors import BadItem, SnqdError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.cli.lines import ItemMaker
    from snqd.items import NewItem
    from snqd.stores.base import Store

BATCH_ITEMS = 2000
BATCH_BYTES = 4 * 1024 * 1024
_READ_BYTES = 256 * 1024
_SHOWN_BAD = 10


class Stream:
    """Stores what comes out of one file descriptor."""

    def __init__(self, store: Store, maker: ItemMaker, *, skip_bad: bool) -> None:
        self._storing = Storing(store)
        self._maker = maker
        self._skip_bad = skip_bad
        self._batch: list[NewItem] = []
        self._batch_bytes = 0
        self._line = 0
        self._bad = 0
        self._signals = Signals()

    def run(self, descriptor: int) -> int:
        """Read to the end; the exit code. Raises `BadItem` and what the store raises, saying what was stored."""
        with Progress.on_terminal(descriptor) as progress, self._signals.watched():
            try:
                self._read_all(descriptor, progress)
                self._flush()
                self._storing.wait()
            except Interrupted:
                return self._leave()
            except KeyboardInterrupt:
                return self._leave_at_once()
            except SnqdError as error:
                if not self._storing.has_failed:
                    raise  # about a line, and it says where
                raise type(error)(f"{error}; {self._so_far()}") from error
        narrate(f"{plural(self._line, 'line')}: {self._counts()}")
        return Exit.OK

    def _read_all(self, descriptor: int, progress: Progress) -> None:
        for chunk_bytes, lines in self._chunks(descriptor):
            for line in lines:
                self._take(line)
            if self._batch and not _has_more(descriptor):
                self._flush()
                self._storing.wait()
            progress.advance(chunk_bytes, self._line)

    def _take(self, line: bytes | None) -> None:
        """One line; None stands for one that is too long to be read."""
        self._line += 1
        if line is not None and not line.strip():
            return
        try:
            if line is None:
                raise BadItem(f"longer than {self._maker.line_limit:,} bytes: no such frame can be stored")
            item = self._maker.make(line)
        except BadItem as error:
            self._refuse(error)
            return
        self._batch.append(item)
        self._batch_bytes += len(item.frame)
        if len(self._batch) >= BATCH_ITEMS or self._batch_bytes >= BATCH_BYTES:
            self._flush()

    def _refuse(self, error: BadItem) -> None:
        if not self._skip_bad:
            number, self._line = self._line, self._line - 1
            self._flush()
            self._storing.wait()
            raise BadItem(f"line {number}: {error} ({self._so_far()}; --skip-bad leaves out bad lines)") from error
        self._bad += 1
        if self._bad <= _SHOWN_BAD:
            narrate(f"line {self._line} left out: {error}")
        elif self._bad == _SHOWN_BAD + 1:
            narrate("further bad lines are only counted")

    def _flush(self) -> None:
        self._storing.put(Batch(self._batch, self._line))
        self._batch = []
        self._batch_bytes = 0

    def _chunks(self, descriptor: int) -> Iterator[tuple[int, list[bytes | None]]]:
        """Size of what was read, and the lines that it completed. Never holds more than one line over the limit."""
        rest = b""
        is_skipping = False
        while chunk := self._read(descriptor):
            head, newline, tail = chunk.rpartition(b"\n")
            lines: list[bytes | None] = []
            if newline:
                first, *others = (rest + head).split(b"\n")
                lines = [None if is_skipping else first, *others]
                rest, is_skipping = tail, False
            elif not is_skipping:
                rest += tail
            if len(rest) > self._maker.line_limit:
                rest, is_skipping = b"", True
            yield len(chunk), lines
        if rest or is_skipping:
            yield 0, [None if is_skipping else rest]

    def _read(self, descriptor: int) -> bytes:
        try:
            with self._signals.obeyed():
                return os.read(descriptor, _READ_BYTES)
        except OSError as error:
            raise SnqdError(f"standard input cannot be read: {error.strerror}; {self._so_far()}") from error

    def _leave(self) -> int:
        """Let what is on its way arrive, and say where it ended."""
        try:
            self._storing.wait()
        except KeyboardInterrupt:
            return self._leave_at_once()
        narrate(f"stopped by {self._signals.name}: {self._so_far()}")
        return self._signals.exit_code

    def _leave_at_once(self) -> int:
        first, last = self._storing.last_line + 1, self._storing.doubtful_line
        doubt = f"; lines {first:,} to {last:,} may be stored too" if last else ""
        narrate(f"stopped by {self._signals.name} while storing: {self._so_far()}{doubt}")
        return Exit.INTERRUPTED

    def _so_far(self) -> str:
        """What is certain, in words that say where to go on."""
        line = self._storing.last_line
        if not line:
            return "nothing was stored"
        lines = f"lines 1 to {line:,}" if line > 1 else "line 1"
        return f"{lines} done: {self._counts()}; go on with 'tail -n +{line + 1}'"

    def _counts(self) -> str:
        parts = [f"{plural(self._storing.stored, 'item')} stored"]
        if self._storing.duplicates:
            parts.append(f"{self._storing.duplicates:,} not stored because their unique key waits or runs already")
        if self._bad:
            parts.append(f"{self._bad:,} bad left out")
        return ", ".join(parts)


def _has_more(descriptor: int) -> bool:
    readable, _writable, _exceptional = select.select([descriptor], [], [], 0)
    return bool(readable)

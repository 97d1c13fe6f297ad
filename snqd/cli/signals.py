"""INT and TERM where a command may be left in the middle of its work, but not in the middle of a transaction."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snqd.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupted(Exception):
    """A signal asked to stop, at a moment when nothing is in doubt."""


class Signals:
    """INT and TERM become `Interrupted` where they are `obeyed`; a second one becomes `KeyboardInterrupt` anywhere."""

    def __init__(self) -> None:
        self.name = ""
        """Of the first that came; empty: none."""
        self._is_obeyed = False

    @property
    def exit_code(self) -> Exit:
        return Exit.TERMINATED if self.name == "SIGTERM" else Exit.INTERRUPTED

    @contextmanager
    def watched(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        self._is_obeyed = True
        try:
            if self.name:  # it came before; one that comes from here on raises by itself
                raise Interrupted
            yield
        finally:
            self._is_obeyed = False

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
        if self._is_obeyed:
            raise Interrupted

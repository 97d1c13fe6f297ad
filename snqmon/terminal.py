"""`Terminal`: notices that the terminal is gone, so that the monitor ends with it instead of running on for nobody.

A terminal that goes away sends HUP, unless the monitor was started with `nohup`; and then reads end at once, for ever,
which would keep the processor busy. So besides the signal the descriptor is asked.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_LAST_SECONDS: Final = 3.0
"""So long may an orderly end take: it writes to the terminal, which may block for ever."""
_GONE: Final = 128 + signal.SIGHUP
_SIGNALS: Final = (signal.SIGHUP, signal.SIGTERM)


class Terminal:
    """Calls `on_gone` once, from the loop, when the terminal is gone or somebody asks the process to end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_gone: Callable[[], object]) -> None:
        self._loop = loop
        self._on_gone = on_gone
        self._poll = select.poll()
        self._is_terminal = False
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._gone)
        with_input = sys.__stdin__
        if with_input is not None and os.isatty(with_input.fileno()):
            self._is_terminal = True
            self._poll.register(with_input.fileno(), 0)  # a hang-up is told without being asked for

    def check(self) -> None:
        """To be called every second or so."""
        if self._is_terminal and self._poll.poll(0):
            self._gone()

    def close(self) -> None:
        self._is_terminal = False
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)

    def _gone(self) -> None:
        self._is_terminal = False
        last = threading.Timer(_LAST_SECONDS, os._exit, (_GONE,))
        last.daemon = True
        last.start()
        self._on_gone()

"""What handlers under test do and say: every handler module that a test writes begins with `from … import *` of this.

`note` appends one JSON line to the file that the test reads; `hold` blocks until the test opens a gate.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd import Backoff, Discard, Handler, Reject, Retry, Service, handler

if TYPE_CHECKING:
    from snqd.handlers.context import Context

__all__ = [
    "AT_ONCE", "Backoff", "Discard", "Handler", "Reject", "Retry", "Service", "asyncio", "ctypes", "die", "handler",
    "hold", "hold_async", "hold_gil", "note", "os", "signal", "sys", "time",
]  # fmt: skip

AT_ONCE = Backoff(first_seconds=0.01, factor=1.0, jitter=0.0)
_FOLDER = Path(os.environ.get("SNQD_TEST_FACTS", "."))
_GATE_LOOK_SECONDS = 0.005


def note(fact: str, context: Context | None = None, **more: Any) -> None:
    """Tell the test: one write, so lines of several processes do not mix."""
    known: dict[str, Any] = {"fact": fact, "pid": os.getpid(), "at": time.monotonic()}
    if context is not None:
        known |= {"item": context.item_id, "queue": context.queue, "site": context.site.name}
        known |= {"attempt": context.attempt, "token": context.token}
    line = json.dumps({**known, **more}, default=str) + "\n"
    descriptor = os.open(_FOLDER / "facts", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def hold(gate: str) -> None:
    """Block, as a plain handler that waits for something does, until the test opens the gate."""
    while not (_FOLDER / f"gate.{gate}").exists():
        time.sleep(_GATE_LOOK_SECONDS)


async def hold_async(gate: str) -> None:
    """The same without stopping the loop."""
    while not (_FOLDER / f"gate.{gate}").exists():  # noqa: ASYNC110 - it is opened by another process
        await asyncio.sleep(_GATE_LOOK_SECONDS)


def hold_gil() -> None:
    """C code that does not return for ages, lets no other thread run and looks at no signal."""
    sum(itertools.repeat(1, 10**15))


def die() -> None:
    """What the kernel's memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)

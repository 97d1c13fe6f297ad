"""The recorder that every contestant's handler calls: one record of 28 bytes appended per event, by one `write`.

It costs about 1.5 microseconds, works across threads and forks, and survives SIGKILL (page cache). Standard library
only: it is imported by the peers' interpreters.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

RECORD = struct.Struct("<iiidd")
FILE_VARIABLE = "SNQD_BENCH_RECORD"
STARTED, ENDED = 0, 1
PAD = "x" * 150
_descriptor: int | None = None


class Event(NamedTuple):
    """A handler's first line (`STARTED`) or last line (`ENDED`). Times in epoch seconds."""

    kind: int
    pid: int
    number: int
    sent: float
    at: float


def payload(number: int, seconds: float = 0.0) -> dict[str, Any]:
    """About 200 bytes as JSON, stamped with the time of the enqueue call; `seconds` is how long its handler works."""
    return {"i": number, "t": time.time(), "s": seconds, "pad": PAD}


def work(found: dict[str, Any]) -> None:
    """What a plain handler does."""
    _append(STARTED, found["i"], found["t"])
    if found["s"]:
        time.sleep(found["s"])
        _append(ENDED, found["i"], found["t"])


async def work_async(found: dict[str, Any]) -> None:
    """What a coroutine handler does."""
    _append(STARTED, found["i"], found["t"])
    if found["s"]:
        await asyncio.sleep(found["s"])
        _append(ENDED, found["i"], found["t"])


def _append(kind: int, number: int, sent: float) -> None:
    global _descriptor
    now = time.time()
    if _descriptor is None:  # opened at the first record, so after the fork
        _descriptor = os.open(os.environ[FILE_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_descriptor, RECORD.pack(kind, os.getpid(), number, sent, now))


def read(path: Path) -> list[Event]:
    """Every whole record, in the order of writing."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = len(raw) // RECORD.size * RECORD.size
    return [Event(*fields) for fields in RECORD.iter_unpack(raw[:whole])]


def count(path: Path) -> int:
    """Number of records, without reading them."""
    try:
        return path.stat().st_size // RECORD.size
    except FileNotFoundError:
        return 0

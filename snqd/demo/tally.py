"""Handled items per queue and site, counted by the demonstration's handlers.

The daemon counts per worker; until its figures per queue and site leave it as telemetry, the demonstration keeps its
own. Each process writes a small file that it alone writes, so nothing is locked between processes, and what a killed
worker counted stays.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from itertools import product
from typing import TYPE_CHECKING

from snqd.demo.shops import QUEUES, SITES

if TYPE_CHECKING:
    from pathlib import Path

KEYS = tuple(product(QUEUES, SITES))
_WORDS = struct.Struct(f"={len(KEYS)}q")


class Tally:
    """The writer: one per process, made after the fork. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        with (folder / str(os.getpid())).open("w+b") as file:
            file.truncate(_WORDS.size)
            self._memory = mmap.mmap(file.fileno(), _WORDS.size)
        self._words = memoryview(self._memory).cast("q")
        self._lock = threading.Lock()

    def add(self, queue: str, site: str) -> None:
        index = KEYS.index((queue, site))
        with self._lock:
            self._words[index] += 1


def read_tallies(folder: Path) -> dict[tuple[str, str], int]:
    """The sums of all processes, dead ones included."""
    sums = [0] * len(KEYS)
    for path in folder.iterdir():
        raw = path.read_bytes()
        if len(raw) == _WORDS.size:  # else it is being made
            sums = [total + count for total, count in zip(sums, _WORDS.unpack(raw), strict=True)]
    return dict(zip(KEYS, sums, strict=True))

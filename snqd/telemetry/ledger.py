"""The ledger: counters of every queue and site, in memory that all processes of the daemon share.

The supervisor makes it before the first fork. Each worker slot has a part of its own, written by the worker's store
thread: what it counts is counted at the moment at which the store has committed it, and the ledger outlives the worker,
so that a respawned one goes on where its predecessor stood. The hub reads it and nobody sends anything: a number that
was not read in time is read later.

A *row* is a queue and site (a *flow*): counters, the sums of run and wait times, and their histograms, in chunks of
buckets that are allocated when first used. Everything is cumulative since the daemon's boot. Flows beyond the capacity
(65,536 a slot) are counted in the row whose queue and site are empty, and so are buckets that have no room: sums over
all rows are right in any case. A ring of the numbers of changed rows lets the reader look at what changed only.

**What is counted.** Each claim ends in exactly one way, so that at rest, over all slots,

    claimed = handled + failed + retried + discarded + bad_items + released + leases_lost + reclaimed

while every item that was reclaimed had been claimed by this daemon since its boot. (A claim of another host, or of an
earlier daemon, that is given back here counts as reclaimed too. A lease that ran out while its holder lived counts as
reclaimed by who gave the item back and as lost by its holder.) `failed` are exceptions, time limits and crashes, the
last one included; `retried` are handlers that asked for a later attempt, the last one included; so

    dead_lettered <= failed + retried + bad_items        with all bad items in it

and the histograms of run and wait times have one entry for each handling that ended by itself:

    handled + retried + discarded + failed - (crashes and time limits that ended the process)

(Fewer by the acks in handlers' own transactions that their worker's death came upon: their times died with it.)

Items of canaries are in none of these numbers, only in the table of canaries.

**Deaths.** Before an exchange with the store its counts are written to a redo log, and after it they are posted. Who
repairs a dead worker holds the slot's lock, finds out whether the announced exchange was committed, posts it or drops
it, and then closes the account: claims that the ledger has not seen end, and that the store did not give back, or the
other way round, are the last moments of the dead worker, and are counted as what they were.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import time
from typing import TYPE_CHECKING

from snqd.telemetry.board import SLOTS
from snqd.telemetry.ledger_layout import HEAD_WORDS, PAGE_WORDS, WORD, Count, make_file
from snqd.telemetry.ledger_reader import CanaryReturn, FlowCounts, LedgerReader
from snqd.telemetry.ledger_writer import LedgerWriter, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CanaryReturn", "Count", "FlowCounts", "Ledger", "LedgerReader", "LedgerWriter", "Stage"]

_LOCK_LOOK_SECONDS = 0.005


class Ledger:
    """The ledger of one daemon. Its memory is that of an unlinked file whose descriptor all processes inherit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, HEAD_WORDS * WORD)
        self._head = memoryview(self._memory).cast("q")
        self._slot = 0

    @classmethod
    def create(cls) -> Ledger:
        """Call in the supervisor, before the first fork. Raises `OSError`."""
        return cls(make_file())

    def enter(self, slot: int) -> None:
        """Say which slot this process is; the supervisor is 0."""
        self._slot = slot

    def writer(self, slot: int) -> LedgerWriter:
        """Maps the part of the slot. Nobody else may write it meanwhile (see `lock`)."""
        self._head[PAGE_WORDS + slot] = 1
        return LedgerWriter(self._descriptor, slot)

    def reader(self, slot: int) -> LedgerReader:
        return LedgerReader(self._descriptor, slot)

    def used(self) -> list[int]:
        """The slots that have, or had, a writer."""
        return [slot for slot in range(SLOTS) if self._head[PAGE_WORDS + slot]]

    @property
    def events_dropped(self) -> int:
        """Events of all processes that did not get into the pipe."""
        return sum(self._head[:SLOTS].tolist())

    def count_dropped(self, count: int = 1) -> None:
        """Count dropped events of this process."""
        self._head[self._slot] += count

    @contextlib.contextmanager
    def lock(self, slot: int, *, seconds: float = 0.0) -> Iterator[bool]:
        """The right to repair a slot; False when another process has it, `seconds` long. It ends with its holder.

        Record locks belong to the process and go with the first descriptor of the file that it closes: close no writer
        or reader inside.
        """
        until = time.monotonic() + seconds
        while not (has_it := self._try_lock(slot)) and time.monotonic() < until:
            time.sleep(_LOCK_LOOK_SECONDS)
        try:
            yield has_it
        finally:
            if has_it:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, slot)

    def _try_lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._head.release()
        self._memory.close()
        os.close(self._descriptor)

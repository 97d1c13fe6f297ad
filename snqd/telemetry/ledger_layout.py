"""Where everything lies in the ledger's shared memory (`ledger.py` says what it is).

Everything is words of eight bytes in native byte order, besides names and the list of queues. Places are numbers of
words from the beginning of a slot's part. The file is sparse: what is not used costs nothing, so each area may be as
large as it could ever have to be.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from snqd.telemetry.board import SLOTS
from snqd.telemetry.histogram import BUCKETS

WORD = 8
PAGE_WORDS = 512
ROWS = 65_536
"""Most rows of a slot. Row 0 takes what has no room."""
CHUNK = 16
"""Buckets of a histogram that are allocated together: two buckets in use are mostly near each other."""
CHUNKS_A_HISTOGRAM = -(-BUCKETS // CHUNK)
CHUNKS = 8 * ROWS
NAME_BYTES = 8 * 1024 * 1024
RING = 16_384
REDO_PAIRS = 16_000
ACKS = 16_384
"""Entries of the list of acks: row and item."""
QUEUES = 1024
"""Most queues in the tables of growth and of canaries."""
QUEUE_NAME_BYTES = 256


class Head:
    """Words at the beginning of a slot's part."""

    ROWS: Final = 0
    CHUNKS: Final = 1
    NAME_BYTES: Final = 2
    RING: Final = 3  # numbers of changed rows that were ever written to the ring
    REDO: Final = 4  # pairs in the redo log; 0 = it says nothing
    WITNESS: Final = 5
    SERVED_VERSION: Final = 6  # odd while the list of queues is being written
    SERVED_BYTES: Final = 7
    GROWTHS: Final = 8
    CANARIES: Final = 9
    REPAIRING: Final = 10  # 1 from when a dead worker's claims are given back until that is counted
    ACKED: Final = 11  # how many were ever written to the list of acks, and how many of them are counted
    ACKS_COUNTED: Final = 12


class Count:
    """Words of a row: its names (see `name_ref`), its counters, its sums and the first words of its histograms.

    Plain numbers, here and above: members of an enumeration cost several times as much in sums and as keys.
    """

    QUEUE: Final = 0
    SITE: Final = 1
    CLAIMED: Final = 2
    HANDLED: Final = 3
    FAILED: Final = 4
    RETRIED: Final = 5
    RELEASED: Final = 6
    DEAD_LETTERED: Final = 7
    DISCARDED: Final = 8
    BAD_ITEMS: Final = 9
    LEASES_LOST: Final = 10
    RECLAIMED: Final = 11
    RUN_NS: Final = 12
    WAIT_NS: Final = 13
    RUN: Final = 14
    WAIT: Final = 14 + CHUNKS_A_HISTOGRAM


FIRST_COUNT, LAST_COUNT = Count.CLAIMED, Count.RECLAIMED
ROW_WORDS = -(-(Count.WAIT + CHUNKS_A_HISTOGRAM) // 4) * 4


GROWN, GROWN_ITEMS = QUEUE_NAME_BYTES // WORD, QUEUE_NAME_BYTES // WORD + 1
"""Words of an entry in the table of growth, after the queue's name."""
CANARY_NUMBER, CANARY_AT_US, CANARIES_BACK = range(QUEUE_NAME_BYTES // WORD, QUEUE_NAME_BYTES // WORD + 3)
"""Words of an entry in the table of canaries, after the queue's name."""
ENTRY_WORDS = QUEUE_NAME_BYTES // WORD + 4


def _paged(words: int) -> int:
    return -(-words // PAGE_WORDS) * PAGE_WORDS


SERVED_AT = PAGE_WORDS
SERVED_BYTES = 256 * 1024
GROWTH_AT = SERVED_AT + _paged(SERVED_BYTES // WORD)
CANARIES_AT = GROWTH_AT + _paged(QUEUES * ENTRY_WORDS)
RING_AT = CANARIES_AT + _paged(QUEUES * ENTRY_WORDS)
REDO_AT = RING_AT + _paged(RING)
ACKS_AT = REDO_AT + _paged(2 * REDO_PAIRS)
NAMES_AT = ACKS_AT + _paged(2 * ACKS)
ROWS_AT = NAMES_AT + _paged(NAME_BYTES // WORD)
CHUNKS_AT = ROWS_AT + _paged(ROWS * ROW_WORDS)
SLOT_WORDS = CHUNKS_AT + _paged(CHUNKS * CHUNK)

HEAD_WORDS = 2 * PAGE_WORDS
"""Of the whole file: a page of dropped events, and one of which slots are in use; a word for each slot."""
FILE_BYTES = (HEAD_WORDS + SLOTS * SLOT_WORDS) * WORD


class Part:
    """A slot's part of the file, mapped."""

    def __init__(self, descriptor: int, slot: int, *, is_writable: bool) -> None:
        self.memory = mmap.mmap(
            descriptor,
            SLOT_WORDS * WORD,
            flags=mmap.MAP_SHARED,
            prot=mmap.PROT_READ | mmap.PROT_WRITE if is_writable else mmap.PROT_READ,
            offset=(HEAD_WORDS + slot * SLOT_WORDS) * WORD,
        )
        self.words = memoryview(self.memory).cast("q")

    def name(self, ref: int) -> str:
        """The name that a row refers to."""
        at, size = NAMES_AT * WORD + (ref >> 16), ref & 0xFFFF
        return self.memory[at : at + size].decode(errors="replace")

    def entry_name(self, entry: int) -> str:
        """The queue of an entry of a table, which begins at word `entry`."""
        raw = self.memory[entry * WORD : entry * WORD + QUEUE_NAME_BYTES]
        return raw.rstrip(b"\0").decode(errors="replace")

    def close(self) -> None:
        self.words.release()
        self.memory.close()


def name_ref(at: int, size: int) -> int:
    """How a row refers to a name of `size` bytes at byte `at` of the names."""
    return at << 16 | size


def make_file() -> int:
    """An empty ledger in memory; its descriptor. Raises `OSError`."""
    descriptor = os.memfd_create("snqd-ledger")
    try:
        os.ftruncate(descriptor, FILE_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

"""How the hub reads a worker's ledger (`ledger.py` says what it is), while it is being written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from snqd.telemetry import ledger_layout as layout
from snqd.telemetry.ledger_layout import CHUNK, CHUNKS_A_HISTOGRAM, Count, Head, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.histogram import Sparse

_TRIES = 3
_decode_lists = msgspec.msgpack.Decoder(tuple[tuple[str, ...], tuple[str, ...]]).decode


class FlowCounts(NamedTuple):
    """What became of the items of one queue and site in one slot, since the daemon's boot (see `FlowFact`)."""

    queue: str
    site: str
    claimed: int
    handled: int
    failed: int
    retried: int
    released: int
    dead_lettered: int
    discarded: int
    bad_items: int
    leases_lost: int
    reclaimed: int
    run: Sparse
    run_seconds: float
    wait: Sparse
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class CanaryReturn:
    """The last canary of a queue that came back: its number, when (epoch seconds), and how many have come back."""

    number: int
    at: float
    count: int


class LedgerReader:
    """Reads one slot. A row that is read while it is written is half old, half new, and is told again next time."""

    def __init__(self, descriptor: int, slot: int) -> None:
        self.slot = slot
        self._part = Part(descriptor, slot, is_writable=False)
        self._words = self._part.words
        self._ring_at = -1
        self._again: set[int] = set()
        self._names: dict[int, tuple[str, str]] = {}
        self._served: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._served_version = 0

    def close(self) -> None:
        self._part.close()

    def changed(self) -> list[FlowCounts]:
        """The rows that may have changed since the last call, whole; all of them the first time. Each row once."""
        fresh = self._fresh_rows()
        if fresh is None:
            rows: Iterator[int] | set[int] = self._all_rows()
            self._again = set()
        else:
            # Processors that reorder stores may show the ring's news before the row's: look at each row twice.
            rows = fresh | self._again
            self._again = fresh
        return [counts for row in rows if (counts := self._read(row)) is not None]

    def _fresh_rows(self) -> set[int] | None:
        """Rows told since the last call; None when more were told than the ring holds."""
        words, size = self._words, layout.RING
        before, head = self._ring_at, words[Head.RING]
        self._ring_at = head
        if before < 0:
            return None
        begin, end = before % size, head % size
        if head == before:
            told = []
        elif begin < end:
            told = words[layout.RING_AT + begin : layout.RING_AT + end].tolist()
        else:
            told = words[layout.RING_AT + begin : layout.RING_AT + size].tolist()
            told += words[layout.RING_AT : layout.RING_AT + end].tolist()
        if words[Head.RING] - before > size:
            return None  # the writer has lapped us, perhaps just now
        return set(told)

    def _all_rows(self) -> Iterator[int]:
        for number in range(self._words[Head.ROWS]):
            yield layout.ROWS_AT + number * layout.ROW_WORDS

    def _read(self, row: int) -> FlowCounts | None:
        """None for a row that counts nothing yet."""
        values = self._words[row : row + layout.ROW_WORDS].tolist()
        run = self._histogram(values[Count.RUN : Count.RUN + CHUNKS_A_HISTOGRAM])
        wait = self._histogram(values[Count.WAIT : Count.WAIT + CHUNKS_A_HISTOGRAM])
        counters = values[layout.FIRST_COUNT : layout.LAST_COUNT + 1]
        if not any(counters) and not run and not wait:
            return None
        names = self._names.get(row)
        if names is None:
            names = self._names[row] = (self._part.name(values[Count.QUEUE]), self._part.name(values[Count.SITE]))
        run_seconds, wait_seconds = values[Count.RUN_NS] / 1e9, values[Count.WAIT_NS] / 1e9
        return FlowCounts._make((*names, *counters, run, run_seconds, wait, wait_seconds))

    def _histogram(self, chunks: list[int]) -> Sparse:
        found: list[int] = []
        for place, chunk in enumerate(chunks):
            if chunk:
                at = layout.CHUNKS_AT + chunk * CHUNK
                for bucket, count in enumerate(self._words[at : at + CHUNK].tolist(), place * CHUNK):
                    if count > 0:
                        found += (bucket, count)
        return tuple(found)

    def served(self) -> tuple[str, ...]:
        """The queues that the slot's worker serves."""
        return self._lists()[0]

    def known(self) -> tuple[str, ...]:
        """The queues that have a handler here, in any group."""
        return self._lists()[1]

    def _lists(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """As last written; the ones before while they are being written."""
        words, at = self._words, layout.SERVED_AT * layout.WORD
        for _ in range(_TRIES):
            version = words[Head.SERVED_VERSION]
            if version % 2 or version == self._served_version:
                break
            raw = self._part.memory[at : at + words[Head.SERVED_BYTES]]
            if words[Head.SERVED_VERSION] == version:
                self._served, self._served_version = _decode_lists(raw), version
        return self._served

    def growth(self) -> dict[str, tuple[int, int]]:
        """By queue: bytes by which the present worker's memory has grown while its items ran, and how many ran."""
        entries = self._entries(Head.GROWTHS, layout.GROWTH_AT)
        return {queue: (self._words[at + layout.GROWN], self._words[at + layout.GROWN_ITEMS]) for queue, at in entries}

    def canaries(self) -> dict[str, CanaryReturn]:
        """By queue: what came back in this slot."""
        words = self._words
        return {
            queue: CanaryReturn(
                words[at + layout.CANARY_NUMBER],
                words[at + layout.CANARY_AT_US] / 1e6,
                words[at + layout.CANARIES_BACK],
            )
            for queue, at in self._entries(Head.CANARIES, layout.CANARIES_AT)
        }

    def _entries(self, head: int, table: int) -> Iterator[tuple[str, int]]:
        for number in range(min(self._words[head], layout.QUEUES)):
            at = table + number * layout.ENTRY_WORDS
            yield self._part.entry_name(at), at

"""How a worker's ledger is written (`ledger.py` says what it is): by one thread, a batch at a time."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

from snqd.telemetry import ledger_layout as layout
from snqd.telemetry.histogram import BOUNDS_NS, tally
from snqd.telemetry.ledger_layout import CHUNK, Count, Head, Part, name_ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_ENDS = (
    Count.HANDLED, Count.FAILED, Count.RETRIED, Count.RELEASED, Count.DISCARDED, Count.BAD_ITEMS, Count.LEASES_LOST,
    Count.RECLAIMED,
)  # fmt: skip
"""A claim ends in exactly one of these."""
_NAME_BYTES_LIMIT = 0xFFFF


class Stage:
    """Counts that are not in the ledger yet: what its words will be when they are posted."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer
        self._words = writer.words
        self.values: dict[int, int] = {}
        self.rows: set[int] = set()

    def add(self, row: int, count: int, number: int) -> None:
        """Add to a counter or a sum (`RUN_NS`, `WAIT_NS`) of a row."""
        index = row + count
        values = self.values
        values[index] = (values[index] if index in values else self._words[index]) + number
        self.rows.add(row)

    def count_acks(self, number: int) -> None:
        """So many of the acks that `acked` noted are in this."""
        self.values[Head.ACKS_COUNTED] = self._words[Head.ACKS_COUNTED] + number

    def add_durations(self, row: int, histogram: int, nanoseconds: Iterable[float], total: int) -> None:
        """Add to a row's histogram, `Count.RUN` or `Count.WAIT`, and to its sum."""
        self.add(row, Count.RUN_NS if histogram == Count.RUN else Count.WAIT_NS, total)
        values, words = self.values, self._words
        for bucket, count in tally(nanoseconds, BOUNDS_NS):
            chunk = words[row + histogram + bucket // CHUNK]
            if chunk:  # as in `_add_to_bucket`, a call less for each bucket of each batch
                index = layout.CHUNKS_AT + chunk * CHUNK + bucket % CHUNK
                values[index] = (values[index] if index in values else words[index]) + count
            else:
                self._add_to_bucket(row, histogram, bucket, count)

    def add_alike(self, row: int, histogram: int, count: int, shortest: float, longest: float) -> bool:
        """Add so many durations (ns) to one bucket of a row's histogram; False if it is not one, and nothing is added.

        In a backlog the waits of a batch differ by little of what they are: then none of them has to be looked at.
        """
        bucket = bisect_left(BOUNDS_NS, shortest)
        if bucket < len(BOUNDS_NS) and longest > BOUNDS_NS[bucket]:
            return False
        self._add_to_bucket(row, histogram, bucket, count)
        return True

    def add_handled(self, handlings: Iterable[tuple[int, int, int]]) -> None:
        """Handlings that ended well, as rows with run and wait times, for rows that have nothing in this stage yet.

        Where there are many sites, a batch has an item of each: this is their quick way.
        """
        values, words, bounds = self.values, self._words, BOUNDS_NS
        rows = []
        for row, run_ns, wait_ns in handlings:
            if row == layout.ROWS_AT:  # buckets of other rows may be in its histograms
                self.add(row, Count.HANDLED, 1)
                self.add_durations(row, Count.RUN, (run_ns,), run_ns)
                self.add_durations(row, Count.WAIT, (wait_ns,), wait_ns)
                continue
            rows.append(row)
            values[row + Count.HANDLED] = words[row + Count.HANDLED] + 1
            values[row + Count.RUN_NS] = words[row + Count.RUN_NS] + run_ns
            values[row + Count.WAIT_NS] = words[row + Count.WAIT_NS] + wait_ns
            for histogram, bucket in (
                (Count.RUN, bisect_left(bounds, run_ns)),
                (Count.WAIT, bisect_left(bounds, wait_ns)),
            ):
                chunk = words[row + histogram + bucket // CHUNK]
                if chunk:
                    index = layout.CHUNKS_AT + chunk * CHUNK + bucket % CHUNK
                    values[index] = words[index] + 1
                else:
                    self._add_to_bucket(row, histogram, bucket, 1)
        self.rows.update(rows)

    def _add_to_bucket(self, row: int, histogram: int, bucket: int, count: int) -> None:
        index = self._writer.bucket_word(row, histogram, bucket)
        if index is None:
            self.rows.add(layout.ROWS_AT)
            index = self._writer.bucket_word(layout.ROWS_AT, histogram, bucket)
            assert index is not None, "row 0 has all of its chunks from the beginning"
        values = self.values
        values[index] = (values[index] if index in values else self._words[index]) + count


class LedgerWriter:
    """Writes one slot. Everything but `grew` belongs to the store's thread."""

    def __init__(self, descriptor: int, slot: int) -> None:
        self.slot = slot
        self._part = Part(descriptor, slot, is_writable=True)
        self.words = self._part.words
        self._rows: dict[tuple[str, str], int] = {}
        self._growths: dict[str, int] = {}
        self._canaries: dict[str, int] = {}
        if not self.words[Head.ROWS]:
            self._begin()
        self.reopen()

    def _begin(self) -> None:
        """The first writer of this slot: row 0, with all of its histograms."""
        words = self.words
        words[Head.CHUNKS] = 1  # chunk 0 is none
        for place in range(2 * layout.CHUNKS_A_HISTOGRAM):
            words[layout.ROWS_AT + Count.RUN + place] = self._new_chunk()
        words[Head.ROWS] = 1

    def reopen(self) -> None:
        """Read what is there, written by an earlier worker of the slot or by who repaired it; readers look at all."""
        words, part = self.words, self._part
        self._rows = {("", ""): layout.ROWS_AT}
        for number in range(1, words[Head.ROWS]):
            row = layout.ROWS_AT + number * layout.ROW_WORDS
            self._rows[part.name(words[row + Count.QUEUE]), part.name(words[row + Count.SITE])] = row
        words[Head.GROWTHS] = 0  # it is about the present process
        self._growths.clear()
        entries = (layout.CANARIES_AT + number * layout.ENTRY_WORDS for number in range(words[Head.CANARIES]))
        self._canaries = {part.entry_name(entry): entry for entry in entries}
        words[Head.RING] += layout.RING + 1

    def close(self) -> None:
        self._part.close()

    # ---- rows

    def row(self, queue: str, site: str) -> int:
        """The row of a flow, made when there is none; row 0 when there is no room."""
        row = self._rows.get((queue, site))
        return row if row is not None else self._new_row(queue, site)

    def _new_row(self, queue: str, site: str) -> int:
        words = self.words
        number = words[Head.ROWS]
        row = layout.ROWS_AT
        if number < layout.ROWS:
            queue_ref, site_ref = self._write_name(queue), self._write_name(site)
            if queue_ref is not None and site_ref is not None:
                row += number * layout.ROW_WORDS
                words[row + Count.QUEUE], words[row + Count.SITE] = queue_ref, site_ref
                words[Head.ROWS] = number + 1
        self._rows[queue, site] = row
        return row

    def _write_name(self, name: str) -> int | None:
        """Where a name was written; None when there is no room."""
        raw = name.encode(errors="replace")[:_NAME_BYTES_LIMIT]
        used = self.words[Head.NAME_BYTES]
        if used + len(raw) > layout.NAME_BYTES:
            return None
        at = layout.NAMES_AT * layout.WORD + used
        self._part.memory[at : at + len(raw)] = raw
        self.words[Head.NAME_BYTES] = used + len(raw)
        return name_ref(used, len(raw))

    def bucket_word(self, row: int, histogram: int, bucket: int) -> int | None:
        """The word that counts a bucket; None when there is no room."""
        place = histogram + bucket // CHUNK
        chunk = self.words[row + place]
        if not chunk:
            chunk = self._new_chunk()
            if not chunk:
                return None
            self.words[row + place] = chunk
        return layout.CHUNKS_AT + chunk * CHUNK + bucket % CHUNK

    def _new_chunk(self) -> int:
        number = self.words[Head.CHUNKS]
        if number >= layout.CHUNKS:
            return 0
        self.words[Head.CHUNKS] = number + 1  # before it is used: a chunk is never given out twice
        return number

    # ---- counting

    def add(self, row: int, count: int, number: int) -> None:
        """Count at once. Call `tell` then."""
        self.words[row + count] += number

    def count(self, queue: str, site: str, counts: Mapping[int, int]) -> None:
        """Count at once what was committed outside of an exchange."""
        row = self.row(queue, site)
        for count, number in counts.items():
            self.add(row, count, number)
        self.tell((row,))

    def claim(self, flows: Iterable[tuple[tuple[str, str], int]]) -> list[int]:
        """Count claims of each flow (queue and site) at once; its row."""
        words, known = self.words, self._rows
        rows = []
        for flow, count in flows:
            row = known.get(flow)
            if row is None:
                row = self._new_row(*flow)
            words[row + Count.CLAIMED] += count
            rows.append(row)
        self.tell(rows)
        return rows

    def tell(self, rows: Collection[int]) -> None:
        """Let readers know that these rows have changed."""
        words, ring = self.words, layout.RING
        head = words[Head.RING]
        at, count = head % ring, len(rows)
        if at + count <= ring:
            words[layout.RING_AT + at : layout.RING_AT + at + count] = _array(rows)
        else:
            for number, row in enumerate(rows, head):
                words[layout.RING_AT + number % ring] = row
        words[Head.RING] = head + count

    def stage(self) -> Stage:
        return Stage(self)

    def announce(self, stage: Stage, witness: int) -> None:
        """Write down what will be posted once the store has committed.

        When this process dies between the commit and `post`, whoever repairs it finds out from `witness` (one item of
        the batch, which the dead one holds or not; 0 = nobody, what is in the batch was committed before) whether there
        was a commit, and calls `recover`.
        """
        words = self.words
        words[Head.REDO] = 0
        count = len(stage.values)
        if not 0 < count <= layout.REDO_PAIRS:
            return  # too many flows in one batch: then a death at this very moment costs their counts
        at = layout.REDO_AT
        words[at : at + count] = _array(stage.values)
        words[at + count : at + 2 * count] = _array(stage.values.values())
        words[Head.WITNESS] = witness
        words[Head.REDO] = count

    def post(self, stage: Stage) -> None:
        """The store has committed: count."""
        words = self.words
        for index, value in stage.values.items():
            words[index] = value
        words[Head.REDO] = 0
        self.tell(stage.rows)

    @property
    def witness(self) -> int | None:
        """The witness of what was announced and not posted; None if nothing was."""
        return self.words[Head.WITNESS] if self.words[Head.REDO] else None

    def recover(self, *, is_committed: bool) -> None:
        """Post what a dead writer had announced, or drop it. Doing it twice does no harm."""
        words = self.words
        count = words[Head.REDO] if is_committed else 0
        at = layout.REDO_AT
        for index, value in zip(words[at : at + count], words[at + count : at + 2 * count], strict=True):
            words[index] = value
        words[Head.REDO] = 0
        words[Head.RING] += layout.RING + 1

    @property
    def is_being_repaired(self) -> bool:
        """Whether somebody has begun to give back what the slot's dead worker held, and has not counted it yet."""
        return bool(self.words[Head.REPAIRING])

    @is_being_repaired.setter
    def is_being_repaired(self, value: bool) -> None:
        self.words[Head.REPAIRING] = int(value)

    def acked(self, row: int, item: int) -> None:
        """A handler's own transaction has acked an item of this flow (0 = of none), which will be counted later.

        The main thread's.
        """
        words = self.words
        number = words[Head.ACKED]
        at = layout.ACKS_AT + 2 * (number % layout.ACKS)
        words[at], words[at + 1] = row, item
        words[Head.ACKED] = number + 1

    @property
    def last_acked(self) -> int:
        """The item that `acked` noted last; 0 = none."""
        number = self.words[Head.ACKED]
        return self.words[layout.ACKS_AT + 2 * ((number - 1) % layout.ACKS) + 1] if number else 0

    def count_acks(self) -> None:
        """Count what a dead writer had noted with `acked` and not counted."""
        words = self.words
        first = max(words[Head.ACKS_COUNTED], words[Head.ACKED] - layout.ACKS)
        for number in range(first, words[Head.ACKED]):
            row = words[layout.ACKS_AT + 2 * (number % layout.ACKS)]
            if row > 0:
                self.add(row, Count.HANDLED, 1)
                self.tell((row,))
            words[Head.ACKS_COUNTED] = number + 1

    def open_claims(self) -> dict[tuple[str, str], int]:
        """Claims that have not ended, by queue and site, where there are any."""
        words = self.words
        found = {}
        for flow, row in self._rows.items():
            still = words[row + Count.CLAIMED] - sum(words[row + end] for end in _ENDS)
            if still:
                found[flow] = still
        return found

    # ---- what is not counted by flow

    def serve(self, served: Sequence[str], known: Sequence[str]) -> None:
        """Say which queues this worker serves, and which have a handler in any group."""
        raw = msgspec.msgpack.encode((served, known))
        if len(raw) > layout.SERVED_BYTES:
            raw = msgspec.msgpack.encode((served[:_FEW], known[:_FEW]))
        words, at = self.words, layout.SERVED_AT * layout.WORD
        version = words[Head.SERVED_VERSION] | 1
        words[Head.SERVED_VERSION] = version
        words[Head.SERVED_BYTES] = len(raw)
        self._part.memory[at : at + len(raw)] = raw
        words[Head.SERVED_VERSION] = version + 1

    def grew(self, queue: str, grown_bytes: int, items: int) -> None:
        """Resident memory grew, or shrank, while `items` of `queue` ran. The main thread's."""
        entry = self._entry(self._growths, layout.GROWTH_AT, Head.GROWTHS, queue)
        if entry is not None:
            self.words[entry + layout.GROWN] += grown_bytes
            self.words[entry + layout.GROWN_ITEMS] += items

    def canary_returned(self, queue: str, number: int, at: float) -> None:
        """A canary is back, and the store knows it since `at` (epoch seconds)."""
        entry = self._entry(self._canaries, layout.CANARIES_AT, Head.CANARIES, queue)
        if entry is not None:
            words = self.words
            words[entry + layout.CANARY_NUMBER] = number
            words[entry + layout.CANARY_AT_US] = int(at * 1e6)
            words[entry + layout.CANARIES_BACK] += 1

    def _entry(self, known: dict[str, int], table: int, head: int, queue: str) -> int | None:
        """A queue's entry in a table, zero when it is new; None when the table is full."""
        entry = known.get(queue)
        if entry is not None or len(known) >= layout.QUEUES:
            return entry
        entry = table + len(known) * layout.ENTRY_WORDS
        at, size = entry * layout.WORD, layout.QUEUE_NAME_BYTES
        self._part.memory[at : at + size] = queue.encode(errors="replace")[:size].ljust(size, b"\0")
        for index in range(entry + size // layout.WORD, entry + layout.ENTRY_WORDS):
            self.words[index] = 0
        known[queue] = entry
        self.words[head] = len(known)
        return entry


_FEW = 500
"""Names of queues that are told when there are too many."""


def _array(numbers: Iterable[int]) -> array[int]:
    return array("q", numbers)

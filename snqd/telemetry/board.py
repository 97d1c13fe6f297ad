"""The board: one slot of shared memory per worker, where it says what it is doing.

The supervisor makes the board before the first fork; every worker writes its own slot, and the supervisor,
the other workers and `snqd status` read it. Because the memory outlives the writer, it holds a dead worker's
*last words*: who it was in the store (`claimant`) and which items were running. Writing costs a few stores into
memory, no system call.

Who writes what: the worker writes its counters, its beat and its running entries. The supervisor writes pid,
state, respawns, spawn time and `exit_reason`. A dead slot's last words are cleared by whoever has repaired its
claims (see `snqd.worker.repair`), never by the supervisor.

Words of eight bytes are aligned, so a reader sees an old or a new value, never a mixture. Strings may be torn
while they are being written; they are for people. The one string that decides something, `claimant`, is written
before the worker claims anything and never again.

Layout: a page of header, then `SLOTS` slots of `SLOT_BYTES`. Native byte order: readers are on the same machine.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from snqd.errors import SnqdError

SLOTS = 256
"""Most workers of one daemon."""
ENTRIES = 64
"""Most items that one worker runs at the same time."""

_MAGIC = b"snqdbrd2"
_NAME = 64
_CLAIMANT = 128
_REASON = 256
_WORDS = 24
_ENTRY = struct.Struct(f"=qqqq{_NAME}s{_NAME}s")  # item, started ns, deadline ns, attempt, queue, site
_ENTRY_IDS = struct.Struct("=qqqq")
_HEAD = struct.Struct(f"=8sqqq{_NAME}s")  # magic, supervisor pid, its start time in ticks, slots, daemon
_PAGE = 4096
_STRINGS_AT = _WORDS * 8
_CLAIMANT_AT = _STRINGS_AT
_REASON_AT = _CLAIMANT_AT + _CLAIMANT
_LAST_EXIT_AT = _REASON_AT + _REASON
_ENTRIES_AT = _LAST_EXIT_AT + _REASON
SLOT_BYTES = -(-(_ENTRIES_AT + ENTRIES * _ENTRY.size) // _PAGE) * _PAGE


class SlotState(IntEnum):
    """What the supervisor says of a slot (`snqd.supervisor.slots` has the table of changes)."""

    CLOSED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    BACKOFF = 4
    FATAL = 5


class Phase(IntEnum):
    """What the worker says of itself."""

    STARTING = 0
    IDLE = 1
    CLAIMING = 2
    HANDLING = 3
    DRAINING = 4
    STOPPED = 5
    STANDBY = 6  # another worker, of another daemon, serves its group


class Word(IntEnum):
    """Index of each eight-byte word of a slot."""

    STATE = 0
    PID = 1
    SPAWNED_NS = 2  # CLOCK_MONOTONIC
    RESPAWNS = 3
    UNREPAIRED = 4  # 1: the slot's worker died and its claims are not given back yet
    KILLED = 5  # snqd.telemetry.exits.Killed: why the supervisor killed it, written before the signal is sent
    KILLED_ITEM = 6  # the item past its time limit
    EXITED_NS = 7  # CLOCK_MONOTONIC; when the slot's last worker ended, 0 = none has
    # written by the worker
    PHASE = 8
    BEAT_NS = 9  # CLOCK_MONOTONIC, touched by the loop that does the work
    RSS_BYTES = 10
    HANDLED = 11
    FAILED = 12
    RETRIED = 13
    DEAD_LETTERED = 14
    DISCARDED = 15
    RELEASED = 16
    CLAIMED = 17
    RUNNING = 18  # highest used entry + 1
    READY = 19  # 1 once it claims
    MEMORY_LIMIT = 20  # bytes, soft; 0 = none
    # written by the hub
    RESTART = 21  # the pid of the worker that somebody wants to be replaced; 0 = none
    WANTED = 22  # in the hub's slot: how many workers somebody wants; 0 = as it is. The supervisor takes it away


_ENDS = (Word.HANDLED, Word.FAILED, Word.RETRIED, Word.DEAD_LETTERED, Word.DISCARDED)
_RUNNING = int(Word.RUNNING)  # a member of an enumeration takes longer to look up than the rest of `begin`


class Running(NamedTuple):
    """A running item as the board shows it. Times are CLOCK_MONOTONIC nanoseconds; deadline 0 = none.

    `attempt`: the number of this handling, 1 for the first; 0 = not known.
    """

    item: int
    queue: str
    site: str
    started_ns: int
    deadline_ns: int
    attempt: int = 0


class SlotView:
    """Reads and writes one slot. Cheap enough to be used for every item."""

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self.number = number
        self._memory = memory
        self._at = _PAGE + number * SLOT_BYTES
        self._words = memoryview(memory)[self._at : self._at + _WORDS * 8].cast("q")
        self._named: list[tuple[str, str] | None] = [None] * ENTRIES

    def get(self, word: Word) -> int:
        return self._words[word]

    def set(self, word: Word, value: int) -> None:
        self._words[word] = value

    def add(self, word: Word, count: int) -> None:
        self._words[word] += count

    @property
    def handlings(self) -> int:
        """How many the worker has ended, however they ended."""
        return sum(map(self.get, _ENDS))

    @property
    def claimant(self) -> str:
        return self._text(_CLAIMANT_AT, _CLAIMANT)

    @claimant.setter
    def claimant(self, value: str) -> None:
        self._write(_CLAIMANT_AT, _CLAIMANT, value)

    @property
    def exit_reason(self) -> str:
        return self._text(_REASON_AT, _REASON)

    @exit_reason.setter
    def exit_reason(self, value: str) -> None:
        self._write(_REASON_AT, _REASON, value)

    @property
    def last_exit(self) -> str:
        """Why the slot's last worker ended, in words. Unlike `exit_reason` it outlives the repair."""
        return self._text(_LAST_EXIT_AT, _REASON)

    @last_exit.setter
    def last_exit(self, value: str) -> None:
        self._write(_LAST_EXIT_AT, _REASON, value)

    def begin(
        self,
        entry: int,
        item: int,
        queue: str,
        site: str,
        deadline_ns: int = 0,
        attempt: int = 0,
        started_ns: int | None = None,
    ) -> None:
        """Note that `item` is about to run in `entry` (0 ≤ entry < ENTRIES). `started_ns`: None = now."""
        at = self._at + _ENTRIES_AT + entry * _ENTRY.size
        if self._named[entry] != (queue, site):
            names = struct.pack(f"={_NAME}s{_NAME}s", _clip(queue, _NAME), _clip(site, _NAME))
            self._memory[at + 32 : at + 32 + len(names)] = names
            self._named[entry] = (queue, site)
        if started_ns is None:
            started_ns = time.monotonic_ns()
        _ENTRY_IDS.pack_into(self._memory, at, item, started_ns, deadline_ns, attempt)
        if entry >= self._words[_RUNNING]:
            self._words[_RUNNING] = entry + 1

    def end(self, entry: int) -> None:
        """Note that nothing runs in `entry` any more."""
        at = self._at + _ENTRIES_AT + entry * _ENTRY.size
        _ENTRY_IDS.pack_into(self._memory, at, 0, 0, 0, 0)

    def running(self) -> list[Running]:
        """The items that run now, or ran when the worker died."""
        found = []
        for entry in range(min(self._words[Word.RUNNING], ENTRIES)):
            at = self._at + _ENTRIES_AT + entry * _ENTRY.size
            item, started, deadline, attempt, queue, site = _ENTRY.unpack_from(self._memory, at)
            if item:
                found.append(Running(item, _unclip(queue), _unclip(site), started, deadline, attempt))
        return found

    def clear(self) -> None:
        """Make the slot ready for a new worker: everything that the worker writes is zero again.

        RESPAWNS and the supervisor's other words stay.
        """
        for word in Word:
            if word >= Word.PHASE or word in (Word.KILLED, Word.KILLED_ITEM):
                self._words[word] = 0
        self.claimant = ""
        self.exit_reason = ""
        for entry in range(ENTRIES):
            self.end(entry)

    def release(self) -> None:
        self._words.release()

    def _text(self, offset: int, size: int) -> str:
        return _unclip(self._memory[self._at + offset : self._at + offset + size])

    def _write(self, offset: int, size: int, value: str) -> None:
        self._memory[self._at + offset : self._at + offset + size] = _clip(value, size).ljust(size, b"\0")


class Board:
    """The shared memory of one daemon, in a file of mode 0600 so that `snqd status` can read it."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._slots: dict[int, SlotView] = {}

    @classmethod
    def create(cls, path: Path, *, daemon: str) -> Board:
        """Make the file (replacing an old one) and map it. Call in the supervisor, before the first fork."""
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _PAGE + SLOTS * SLOT_BYTES)  # sparse: unused slots cost nothing
            memory = mmap.mmap(descriptor, _PAGE + SLOTS * SLOT_BYTES)
        finally:
            os.close(descriptor)
        pid = os.getpid()
        _HEAD.pack_into(memory, 0, _MAGIC, pid, start_ticks(pid) or 0, SLOTS, _clip(daemon, _NAME))
        fresh.replace(path)  # a reader sees the old board or the whole new one
        return cls(memory)

    @classmethod
    def open(cls, path: Path) -> Board:
        """Map an existing board to read it. Raises `FileNotFoundError`, or `SnqdError` if it is not a board."""
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if memory[:8] != _MAGIC or len(memory) != _PAGE + SLOTS * SLOT_BYTES:
            raise SnqdError(f"{path} is not a worker board of this version of snqd")
        return cls(memory)

    @property
    def daemon(self) -> str:
        return _unclip(_HEAD.unpack_from(self._memory, 0)[4])

    @property
    def supervisor_pid(self) -> int:
        return int(_HEAD.unpack_from(self._memory, 0)[1])

    @property
    def supervisor_start(self) -> int:
        """When the supervisor's process began, in clock ticks since boot; 0 = not known."""
        return int(_HEAD.unpack_from(self._memory, 0)[2])

    @property
    def is_live(self) -> bool:
        """Whether the supervisor that made the board is the process that has its pid now."""
        _magic, pid, ticks, _slots, _daemon = _HEAD.unpack_from(self._memory, 0)
        return bool(ticks) and start_ticks(pid) == ticks

    def slot(self, number: int) -> SlotView:
        """The slot `number`, 1 ≤ number < SLOTS (slot 0 is not used, so that slot and worker numbers agree)."""
        if number not in self._slots:
            self._slots[number] = SlotView(self._memory, number)
        return self._slots[number]

    def used(self) -> list[SlotView]:
        """The slots that have, or had, a worker. They are the first ones: the supervisor opens the lowest free slot.

        Looking no further keeps the pages of the others untouched: they would count as memory of every process.
        """
        found = []
        for number in range(1, SLOTS):
            view = self.slot(number)
            if not view.get(Word.SPAWNED_NS):  # it stays when the slot is closed, which may happen in any order
                break
            found.append(view)
        return found

    def close(self) -> None:
        for view in self._slots.values():
            view.release()
        self._slots.clear()
        self._memory.close()


def start_ticks(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot; None if there is no such process or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _clip(text: str, size: int) -> bytes:
    return text.encode(errors="replace")[:size]


def _unclip(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace")

"""The flight recorder: datagrams in a file that never grows past its limit, to be replayed through the same fold.

A recording is two segments, FILE and the one before it, FILE.1, each at most half of the limit. A segment begins with
`snqdrec1`; a record is a mark, the length of its data, a checksum, the time, and the data. A writer that is killed
leaves at most one record that is not whole, and the reader goes on at the next one. Numbers are big-endian.
"""

from __future__ import annotations

import os
import stat
import struct
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple
from zlib import crc32

from snqd.errors import SnqdError
from snqd.telemetry.wire import Refused, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.telemetry.fleet import Fleet

MAGIC: Final = b"snqdrec1"
LONGEST: Final = 0xFFFF
"""Bytes of the longest record's data."""
_MARK: Final = b"\xc1\xf5"  # neither byte occurs in text, the first not in MessagePack either
_HEAD: Final = struct.Struct(">2sHId")  # mark, length, checksum of time and data, time
_TIME: Final = struct.Struct(">d")
_CHUNK: Final = 1 << 20
_RETRY_SECONDS: Final = 1.0


class Record(NamedTuple):
    """One record of a segment."""

    at: float
    """Epoch seconds."""
    data: bytes
    end: int
    """Where the next one begins, if nothing is between."""


class Recorder:
    """Writes a recording. A disk that is full, or gone, costs records, which are counted, and nothing else."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """`limit_bytes`: of both segments together. The files are made, or continued, at the first record."""
        self.written = 0
        """Records."""
        self.failed = 0
        """Records that could not be written."""
        self.problem = ""
        """Why, the last time; empty = the last record was written."""
        self._path = path
        self._older = older_segment(path)
        self._segment_limit = limit_bytes // 2
        self._descriptor = -1
        self._size = 0
        self._retry_at: float | None = None

    def write(self, at: float, data: bytes) -> None:
        """Keep `data` (at most `LONGEST` bytes), received at `at` (epoch seconds). Never raises."""
        record = _HEAD.pack(_MARK, len(data) & 0xFFFF, crc32(data, crc32(_TIME.pack(at))), at) + data
        try:
            if len(data) > LONGEST or len(MAGIC) + len(record) > self._segment_limit:
                raise OSError(f"a record of {len(data)} bytes is too long for this recording")
            if not self._is_open(at):
                self.failed += 1
                return
            if self._size + len(record) > self._segment_limit:
                self._turn_over()
            self._append(record)
        except OSError as error:
            self.failed += 1
            self.problem = error.strerror or str(error)
        else:
            self.written += 1
            self.problem = ""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_open(self, at: float) -> bool:
        """Open the file if need be; after a failure not before a second has passed."""
        if self._descriptor >= 0:
            return True
        if self._retry_at is not None and 0.0 <= self._retry_at - at <= _RETRY_SECONDS:
            return False
        self._retry_at = at + _RETRY_SECONDS
        self._open()
        self._retry_at = None
        return True

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or os.pread(descriptor, len(MAGIC), 0) not in (b"", MAGIC):
                raise OSError(f"{self._path} is not a recording, and is left alone")
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._size = descriptor, found.st_size
        if found.st_size > self._segment_limit:  # of a time when the limit was higher
            self._turn_over()
        elif not found.st_size:
            self._begin_segment()

    def _begin_segment(self) -> None:
        try:
            self._append(MAGIC)
        except OSError:
            self.close()  # a record without it in front would not be found again
            raise

    def _turn_over(self) -> None:
        """Begin a new segment; the one before the last is gone."""
        fits = self._size <= self._segment_limit
        self.close()
        if fits:
            self._path.replace(self._older)
        else:
            self._path.unlink()
            self._older.unlink(missing_ok=True)
        self._open()

    def _append(self, data: bytes) -> None:
        """Write all of `data` or nothing: half a record would hide nothing, but it would take room."""
        written = 0
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written: the disk is full")
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                written = 0
            self._size += written
            raise
        self._size += written


def older_segment(path: Path) -> Path:
    """Where the older half of a recording is."""
    return path.with_name(path.name + ".1")


def read(path: Path, start: float | None = None, end: float | None = None) -> Iterator[tuple[float, bytes]]:
    """The records of a recording from `start` to `end` (epoch seconds), in the order in which they were written.

    It may be one that is being written. Raises `SnqdError` if there is none, or if the file is something else.
    """
    with ExitStack() as stack:
        segments = open_segments(path, stack)
        for segment in segments:
            for at, data, _end in scan(segment):
                if (start is None or at >= start) and (end is None or at <= end):
                    yield at, data


def replay(path: Path, fleet: Fleet, key: bytes | None, start: float | None = None, end: float | None = None) -> int:
    """Fold a recording, or a part of it. Returns the number of datagrams that were refused. Raises as `read` does."""
    refused = 0
    for at, data in read(path, start, end):
        datagram = unpack(data, key)
        if isinstance(datagram, Refused):
            refused += 1
        else:
            fleet.apply(datagram, source=str(path), now=at)
    return refused


def scan(segment: BinaryIO, begin: int = len(MAGIC)) -> Iterator[Record]:
    """Every whole record of a segment from the offset `begin` on; what is between them is passed over."""
    descriptor = segment.fileno()  # read by offset: several may scan one file at a time
    buffer, base, at_end = b"", begin, False
    while not at_end:
        more = os.pread(descriptor, _CHUNK, base + len(buffer))
        at_end = not more
        buffer += more
        place = 0
        while (place := buffer.find(_MARK, place)) >= 0 and len(buffer) - place >= _HEAD.size:
            _mark, length, checksum, at = _HEAD.unpack_from(buffer, place)
            first, past = place + _HEAD.size, place + _HEAD.size + length
            if past > len(buffer) and not at_end:
                break
            data = buffer[first:past]
            if len(data) == length and crc32(data, crc32(_TIME.pack(at))) == checksum:
                yield Record(at, data, base + past)
                place = past
            else:
                place += 1
        used = place if place >= 0 else max(0, len(buffer) - 1)
        buffer, base = buffer[used:], base + used


def open_segments(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """The older segment first. Opened in the other order, so that a turn-over meanwhile hides no record.

    Raises as `read` does.
    """
    segments: list[BinaryIO] = []
    try:
        for place in (path, older_segment(path)):
            with suppress(FileNotFoundError):
                segments.insert(0, stack.enter_context(place.open("rb")))
    except OSError as error:
        raise SnqdError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not segments:
        raise SnqdError(f"there is no recording at {path}")
    if len({(found.st_dev, found.st_ino) for found in (os.fstat(each.fileno()) for each in segments)}) == 1:
        del segments[1:]
    for each in segments:
        if each.read(len(MAGIC)) not in (b"", MAGIC):
            raise SnqdError(f"{each.name} is not a recording of snqd")
    return segments

"""`Tape`: a recording that is played: read from any place on, followed while it is written, and over its turn-overs."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from snqd.errors import SnqdError
from snqd.telemetry.recording import MAGIC, open_segments, scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAIL_BYTES: Final = 256 * 1024
"""More than one record, so that the last bytes of a segment have a whole one."""
_MOST_SEGMENTS: Final = 8
"""Held open, also when the recorder has removed them: what was there at the begin can be sought again."""


class Place(NamedTuple):
    """Between two records."""

    segment: int
    """Counts from 0, the oldest that was there when the tape was opened."""
    offset: int = len(MAGIC)


class Played(NamedTuple):
    """A record, and the place after it."""

    at: float
    data: bytes
    place: Place


class Tape:
    """The recording at `path`. Raises `SnqdError` if there is none, or if it is something else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._segments: list[BinaryIO] = []
        self._first = 0  # how many older segments have been let go
        with ExitStack() as stack:
            self._segments = open_segments(path, stack)
            stack.pop_all()
        self.begin = 0.0
        """Epoch seconds of the first record; 0 = there is none yet."""
        self.end = 0.0
        """Of the latest one. A clock that was set back does not count: it is never before one that came earlier."""
        self.look()

    @property
    def start(self) -> Place:
        """Of the oldest record that is still there."""
        return Place(self._first)

    def look(self) -> bool:
        """Whether something was added since the last look. Cheap, however long the recording is."""
        before = self.end
        self._take_new_segments()
        if not self.begin:
            self.begin = next((played.at for played in self.read(self.start)), 0.0)
        for segment in self._segments[-2:]:
            size = os.fstat(segment.fileno()).st_size
            latest = max((record.at for record in scan(segment, max(len(MAGIC), size - _TAIL_BYTES))), default=0.0)
            self.end = max(self.end, self.begin, latest)
        return self.end != before

    def has(self, place: Place) -> bool:
        """Whether one can read from `place`: its segment has not been let go."""
        return place.segment >= self._first

    def read(self, place: Place) -> Iterator[Played]:
        """The records after `place`, in the order in which they were written, up to the present end."""
        serial, offset = place
        while serial - self._first < len(self._segments):
            for record in scan(self._segments[serial - self._first], offset):
                yield Played(record.at, record.data, Place(serial, record.end))
            serial, offset = serial + 1, len(MAGIC)

    def close(self) -> None:
        for segment in self._segments:
            segment.close()

    def _take_new_segments(self) -> None:
        """After a turn-over the newest segment has another name, and there is a new one behind its old name."""
        known = {_identity(segment) for segment in self._segments}
        with suppress(SnqdError), ExitStack() as stack:
            found = open_segments(self._path, stack)
            fresh = [segment for segment in found if _identity(segment) not in known]
            for segment in found:
                if segment not in fresh:
                    segment.close()
            self._segments += fresh
            stack.pop_all()
        while len(self._segments) > _MOST_SEGMENTS:
            self._segments.pop(0).close()
            self._first += 1
            self.begin = 0.0
        if not self.begin and self._first:
            self.begin = next((played.at for played in self.read(self.start)), 0.0)


def _identity(segment: BinaryIO) -> tuple[int, int]:
    found = os.fstat(segment.fileno())
    return found.st_dev, found.st_ino

"""`Sent`: how much of each counter has been told, in memory that outlives the process that tells it.

The supervisor makes it before the hub's first process, and every process of the hub inherits it. A number is written
before its datagram is sent: what a process that is killed had in hand is lost then, but nothing is ever told twice.
"""

from __future__ import annotations

import mmap
import struct

_CAPACITY_BYTES = 16 * 1024 * 1024
"""For some 200,000 names. Pages that are not used take no memory."""
_VALUE = struct.Struct("=q")
_LENGTH = struct.Struct("=H")
_HEAD = _VALUE.size + _LENGTH.size
_FIRST = 2 * _VALUE.size


class Sent:
    """Two values: bytes used, and whether a name found no room. Then records: value, length of the name, name."""

    def __init__(self, capacity_bytes: int = _CAPACITY_BYTES) -> None:
        self._memory = mmap.mmap(-1, capacity_bytes)  # shared with children that are forked
        self._places: dict[str, int] = {}
        self._read_to = self._end = _FIRST

    def values(self) -> dict[str, int]:
        """Every name with what has been told, by this process and those before."""
        self._look()
        return {name: self._value(place) for name, place in self._places.items()}

    def set(self, name: str, value: int) -> None:
        """Note what has been told. A name for which there is no room is forgotten when this process ends."""
        self._look()
        place = self._places.get(name)
        if place is None:
            self._append(name, value)
        else:
            _VALUE.pack_into(self._memory, place, value)

    def clear(self) -> None:
        """Begin anew: another life of the daemon."""
        self._end = self._read_to = _FIRST
        _VALUE.pack_into(self._memory, _VALUE.size, 0)
        self._places.clear()

    @property
    def is_full(self) -> bool:
        """Whether there are names for which there was no room: how much of them has been told is not known."""
        return bool(self._value(_VALUE.size))

    def close(self) -> None:
        self._memory.close()

    @property
    def _end(self) -> int:
        return self._value(0)

    @_end.setter
    def _end(self, value: int) -> None:
        _VALUE.pack_into(self._memory, 0, value)

    def _value(self, place: int) -> int:
        return int(_VALUE.unpack_from(self._memory, place)[0])

    def _append(self, name: str, value: int) -> None:
        raw = name.encode("ascii")
        place = self._end
        size = -(-(_HEAD + len(raw)) // 8) * 8
        if place + size > len(self._memory):
            _VALUE.pack_into(self._memory, _VALUE.size, 1)
            return
        _VALUE.pack_into(self._memory, place, value)
        _LENGTH.pack_into(self._memory, place + _VALUE.size, len(raw))
        self._memory[place + _HEAD : place + _HEAD + len(raw)] = raw
        self._end = self._read_to = place + size  # last: a record is there as a whole, or not at all
        self._places[name] = place

    def _look(self) -> None:
        """Find the records that another process has added."""
        end = self._end
        while self._read_to < end:
            place = self._read_to
            (length,) = _LENGTH.unpack_from(self._memory, place + _VALUE.size)
            name = self._memory[place + _HEAD : place + _HEAD + length].decode("ascii")
            self._places[name] = place
            self._read_to = place + -(-(_HEAD + length) // 8) * 8

"""What is on its way to a server: waiting to be written, or written and not acknowledged, in order.

A server acknowledges by number: so many of the stanzas of this session are mine (XEP-0198), or everything up to this
barrier is. Each stanza that goes out must therefore be counted, also those that the library sends of itself. What was
not acknowledged when a session ends is written again in the next one, before everything else and in the same order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

_NUMBERS = 2**32
"""XEP-0198 counts modulo this."""


class TooManyAcknowledged(Exception):
    """The server says that it has more than it was sent."""


class Parcel(NamedTuple):
    """A stanza that somebody waits for. The result of `taken` is there when the server has it."""

    data: bytes
    taken: asyncio.Future[None]


class Outgoing:
    """One per connection; outlasts its sessions."""

    def __init__(self) -> None:
        self._waiting: deque[Parcel] = deque()
        self._written: deque[Parcel | None] = deque()
        self._first = 0  # number in its session of the first of `_written`
        self.sent = 0
        self.acknowledged = 0

    def __len__(self) -> int:
        """How many parcels wait or are not acknowledged."""
        return len(self._waiting) + sum(parcel is not None for parcel in self._written)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def written(self) -> int:
        """How many stanzas were written in this session."""
        return self._first + len(self._written)

    @property
    def is_unacknowledged(self) -> bool:
        """Whether something was written that is not acknowledged."""
        return bool(self._written)

    def add(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)

    def take(self, limit: int) -> list[bytes]:
        """The next stanzas to write, which count as written. Those that nobody waits for any more are left out."""
        taken: list[bytes] = []
        while self._waiting and len(taken) < limit:
            parcel = self._waiting.popleft()
            if not parcel.taken.done():
                self._written.append(parcel)
                taken.append(parcel.data)
        self.sent += len(taken)
        return taken

    def wrote_another(self) -> None:
        """A stanza that is nobody's parcel was written."""
        self._written.append(None)

    def begin_count(self) -> None:
        """What is written from now on is counted; what was written before is acknowledged otherwise, or never."""
        self._written.clear()
        self._first = 0

    def acknowledge(self, number: int) -> None:
        """The server has the first `number` stanzas of the session. Raises `TooManyAcknowledged`."""
        count = (number - self._first) % _NUMBERS
        if count > len(self._written):
            raise TooManyAcknowledged(f"the server has {count} stanzas of {len(self._written)} that were sent")
        for _ in range(count):
            parcel = self._written.popleft()
            if parcel is not None:
                self.acknowledged += 1
                if not parcel.taken.done():
                    parcel.taken.set_result(None)
        self._first = (self._first + count) % _NUMBERS

    def begin_again(self) -> None:
        """The session is over: what was not acknowledged is to be written again."""
        self._waiting.extendleft(parcel for parcel in reversed(self._written) if parcel is not None)
        self.begin_count()

    def let_go(self, reason: BaseException) -> int:
        """Give up everything; how much that was. For use between two sessions."""
        self.begin_again()
        parcels = [parcel for parcel in self._waiting if not parcel.taken.done()]
        self._waiting.clear()
        for parcel in parcels:
            parcel.taken.set_exception(reason)
        return len(parcels)

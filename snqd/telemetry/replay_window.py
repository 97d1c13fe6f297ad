"""Which numbers of a sequence have come: what is new, late or a repetition, and what is missing."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snqd.telemetry.wire import Header

WIDTH: Final = 1024
"""Numbers below the highest that are remembered one by one."""
_ALL: Final = (1 << WIDTH) - 1


class Place(Enum):
    """Where a number stands among those that came before it."""

    NEWEST = auto()
    LATE = auto()
    """Lower than the highest, and the first time that it comes."""
    REPEATED = auto()
    OUT_OF_SIGHT = auto()
    """So much lower that nobody remembers whether it has come."""


class Window:
    """The numbers of one sequence. Takes no more memory however they jump."""

    __slots__ = ("_seen", "distinct", "first", "highest")

    def __init__(self) -> None:
        self.first = 0
        self.highest = -1
        self.distinct = 0
        """How many different numbers came, without those out of sight."""
        self._seen = 0  # bit n: highest - n has come

    def take(self, number: int) -> Place:
        """Note that `number` (≥ 0) came."""
        ahead = number - self.highest
        if self.distinct == 0:
            self.first, self._seen = number, 1
        elif ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & _ALL if ahead < WIDTH else 1
        elif ahead <= -WIDTH:
            return Place.OUT_OF_SIGHT
        else:
            bit = 1 << -ahead
            if self._seen & bit:
                return Place.REPEATED
            self._seen |= bit
            self.distinct += 1
            self.first = min(self.first, number)
            return Place.LATE
        self.highest = number
        self.distinct += 1
        return Place.NEWEST

    @property
    def missing(self) -> int:
        """Numbers between the lowest and the highest that have not come, or not yet."""
        return self.highest - self.first + 1 - self.distinct if self.distinct else 0


class ReplayWindow:
    """Accepts each authentic datagram once.

    It protects from datagrams of the present conversation that somebody recorded and sends again. Those of an older
    conversation carry another session, boot or sender: the subscriber knows its session, and `Fleet` ignores older
    boots and senders.
    """

    def __init__(self, sources: int = 4096) -> None:
        self._windows: OrderedDict[tuple[str, str, int, int, int], Window] = OrderedDict()
        self._sources = sources

    def accepts(self, header: Header) -> bool:
        """Whether this is the first time, as far as can be told. Call for authentic datagrams only."""
        source = (header.daemon, header.host, header.boot, header.sender, header.session)
        window = self._windows.get(source)
        if window is None:
            window = self._windows[source] = Window()
            if len(self._windows) > self._sources:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(source)
        return window.take(header.sequence) in (Place.NEWEST, Place.LATE)

"""`Cursor`: what one receiver is told next. The pace at which an outbox is emptied, without any waiting in it.

Four things share the way, in this order:

- **events**, at once and then again and again over two seconds, so that a fifth of all datagrams may be lost;
- **what has changed**, once a frame, and once more a little later when it has not changed again meanwhile;
- **the rotation**: every fact, changed or not, once a second (of the largest fleets: in 1.6), so that whoever lost a
  datagram is right again soon. The rotation fills the rest of each datagram that goes out anyway;
- **the latest events**, slowly, for those who came late.

A receiver that joins is told everything first. Whatever there is to tell, it goes in slices of `SLICE_DATAGRAMS` with a
pause between them, and what is not urgent is spread over the time that it has: 92 full datagrams fit into a socket's
buffer of usual size, and a receiver may need 20 ms to come.

A receiver that loses nothing, a file, is told events and changes once. The rotation is only for who begins to read in
the middle, and goes more slowly.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry.allowance import Allowance
from snqd.telemetry.facts import EventFact
from snqd.telemetry.wire import FACT_LIMIT

if TYPE_CHECKING:
    from snqd.telemetry.outbox import Entry, Outbox

SLICE_DATAGRAMS: Final = 32
SLICE_BYTES: Final = SLICE_DATAGRAMS * FACT_LIMIT
PAUSE_SECONDS: Final = 0.01
"""Between two slices for one receiver."""
_CATCH_UP: Final = 1.4
"""A slice that comes late may be so much larger."""
_LARGE_BUFFER_BYTES: Final = 800_000
"""With a buffer of at least this, instead of the usual 212,992 bytes, slices are larger, and late ones more so."""
_LARGE_SLICE: Final = 1.5
_LARGE_CATCH_UP: Final = 5.0
_LATE: Final = 0.2
"""A frame that begins later than this share of it shifts those after it."""
_SPREAD: Final = 0.5
"""Over this share of a frame its changes are spread, if they are many."""
_SMALL_BYTES: Final = 2 * FACT_LIMIT
"""This much is not worth spreading."""
_ROTATION_STEP_SECONDS: Final = 0.04
"""How often the rotation goes on, when nothing else is sent and a slice holds so much."""

SHORTEST_ROTATION_SECONDS: Final = 0.5
USUAL_ROTATION_SECONDS: Final = 0.95
LONGEST_ROTATION_SECONDS: Final = 1.6
_UNHURRIED_PER_SECOND: Final = 8
"""Datagrams: a state that needs no more than so many is told in the shortest rotation."""
_HURRIED_PER_SECOND: Final = 1000
"""Datagrams: a state that needs more than so many is told more slowly, at most in the longest rotation."""
LOSSLESS_ROTATION_SECONDS: Final = 2.0
"""The shortest for a receiver that loses nothing."""

ECHO_SECONDS: Final = 0.25
_ECHOED_FACTS: Final = 1000
"""More changes in one frame are not repeated: their echo would be a burst, and the rotation comes soon."""

EVENT_SENDS: Final = 8
FREQUENT_EVENT_SENDS: Final = 2
JOINING_EVENT_SENDS: Final = 3
REPEAT_SECONDS: Final = 0.25
FREQUENT_EVENTS: Final = frozenset({"ItemFailed", "ItemRetried", "ItemDiscarded", "ItemsReleased", "WorkerUsage"})
"""There may be one for each item: they are told twice, and the counters tell the truth about their number."""
TOLD_EVENTS: Final = 50
"""The latest, for those who join."""
_STORY_SECONDS: Final = 10.0
"""A full turn of those."""
_EVENT_GAP_SECONDS: Final = 0.05
"""One event goes at once; those that come in the wake of another go together."""
_TOGETHER_SECONDS: Final = 0.02
"""What is due so soon goes along with what is sent now."""


class Cursor:
    """The state of one receiver. Times are seconds of one clock that does not go back."""

    def __init__(self, outbox: Outbox, frames_per_second: float, *, is_lossless: bool = False) -> None:
        self.frames_per_second = frames_per_second
        self._is_lossless = is_lossless
        self.buffer_bytes = 0
        """Of the receiver's socket; 0 = not known."""
        self.events_skipped = 0
        """Events that were not told, because too many came at once. Their numbers are missing at the receiver."""
        self._outbox = outbox
        self._seen = 0  # changes up to this number were told, or are pending
        self._seen_before = 0  # the same at the frame before
        self._frame_begun = -inf
        self._is_joining = True
        self._pending: deque[Entry] = deque()
        self._pending_rate = inf  # bytes a second
        self._echoes: deque[tuple[float, list[tuple[Entry, int]]]] = deque()
        self._repeats: list[tuple[float, int, int, Entry]] = []  # a heap: due, serial, sends left, event
        self._serial = count()
        self._events_seen = outbox.event_count
        self._events_at = -inf
        self._of_items = Allowance(per_second=50, burst=100)
        self._of_others = Allowance(per_second=100, burst=200)
        self._rotation: list[Entry] = []
        self._place = 0
        self._credit = 0.0  # bytes that the rotation may send
        self._credited_at: float | None = None
        self._story_at = -inf
        self._story_place = 0
        self._taken_at = -inf
        self._not_before = -inf

    @property
    def due(self) -> float:
        """When `take` has something to give; it may be called earlier."""
        return max(self._not_before, self._wanted())

    def take(self, now: float) -> list[bytes]:
        """The next slice: encoded facts, as many as fit one."""
        since = now - self._taken_at
        taken = _Slice(self._room(since))
        self._take_events(now, taken)
        self._begin_frame(now)
        self._take_echoes(now)
        self._earn(now)
        self._take_pending(since, taken)
        self._take_rotation(taken)
        self._take_story(now, taken)
        self._taken_at = now
        if self._pending or taken.size > _SMALL_BYTES:
            self._not_before = now + PAUSE_SECONDS
        return taken.facts

    def _room(self, since: float) -> float:
        is_large = self.buffer_bytes >= _LARGE_BUFFER_BYTES
        catch_up = min(max(1.0, since / PAUSE_SECONDS), _LARGE_CATCH_UP if is_large else _CATCH_UP)
        return SLICE_BYTES * catch_up * (_LARGE_SLICE if is_large else 1.0)

    @property
    def _frame_seconds(self) -> float:
        return 1 / self.frames_per_second

    @property
    def frame_at(self) -> float:
        """When the next one begins. Not kept: the receiver may change its pace at any time."""
        return self._frame_begun + self._frame_seconds

    @property
    def _rotation_seconds(self) -> float:
        """Shorter for a small state. A receiver that wants less than a frame a second gets the rotation as slowly."""
        datagrams = self._outbox.size / FACT_LIMIT
        seconds = min(max(SHORTEST_ROTATION_SECONDS, datagrams / _UNHURRIED_PER_SECOND), USUAL_ROTATION_SECONDS)
        seconds = max(seconds, min(datagrams / _HURRIED_PER_SECOND, LONGEST_ROTATION_SECONDS))
        if self._is_lossless:
            seconds = max(seconds, LOSSLESS_ROTATION_SECONDS)
        return seconds * max(1.0, self._frame_seconds)

    def _wanted(self) -> float:
        if self._pending:
            return -inf
        wanted = self._events_due()
        if self._outbox.version > self._seen:
            wanted = min(wanted, self.frame_at)
        if self._echoes:
            wanted = min(wanted, self._echoes[0][0])
        if len(self._outbox):
            wanted = min(wanted, self._rotation_due())
        return wanted

    def _events_due(self) -> float:
        due = self._repeats[0][0] if self._repeats else inf
        if self._outbox.event_count > self._events_seen:
            due = -inf
        return max(due, self._events_at + _EVENT_GAP_SECONDS)

    def _rotation_due(self) -> float:
        if self._credited_at is None:
            return -inf
        size = max(1, self._outbox.size)
        seconds_each = self._rotation_seconds / size
        wanted = min(size, SLICE_BYTES, max(FACT_LIMIT, int(_ROTATION_STEP_SECONDS / seconds_each)))
        return self._credited_at + max(0.0, wanted - self._credit) * seconds_each

    def _take_events(self, now: float, taken: _Slice) -> None:
        if now < self._events_at + _EVENT_GAP_SECONDS:
            return
        for event in self._outbox.events_since(self._events_seen):
            self._schedule(event, now)
        self._events_seen = self._outbox.event_count
        while self._repeats and self._repeats[0][0] <= now + _TOGETHER_SECONDS and taken.size < taken.room // 2:
            due, _serial, left, event = heappop(self._repeats)
            taken.add(event.encoded)
            if left > 1:
                heappush(self._repeats, (max(due, now) + REPEAT_SECONDS, next(self._serial), left - 1, event))
            self._events_at = now

    def _schedule(self, event: Entry, now: float) -> None:
        assert isinstance(event.fact, EventFact)
        allowance = self._of_items if event.fact.name.startswith("Item") else self._of_others
        if not allowance.take(now):
            self.events_skipped += 1
            return
        sends = FREQUENT_EVENT_SENDS if event.fact.name in FREQUENT_EVENTS else EVENT_SENDS
        heappush(self._repeats, (now, next(self._serial), 1 if self._is_lossless else sends, event))

    def _begin_frame(self, now: float) -> None:
        if self._pending or now < self.frame_at:
            return
        if self._frame_begun == -inf:
            self._join(now)
            return
        if self._outbox.version == self._seen:  # the next change need not wait for a frame
            self._seen_before = self._seen
            return
        is_on_time = now < self.frame_at + _LATE * self._frame_seconds
        self._frame_begun = self.frame_at if is_on_time else now
        changed = self._outbox.changed_since(self._seen)
        self._pending.extend(changed)
        self._pending_rate = sum(entry.size for entry in changed) / (_SPREAD * min(1.0, self._frame_seconds))
        self._seen_before, self._seen = self._seen, self._outbox.version
        if 0 < len(changed) <= _ECHOED_FACTS and not self._is_lossless:
            told = [(entry, entry.version) for entry in changed]
            self._echoes.append((self._frame_begun + ECHO_SECONDS, told))

    def _join(self, now: float) -> None:
        self._pending.extend(self._outbox.everything())
        self._seen_before = self._seen = self._outbox.version
        self._frame_begun = now
        for event in self._outbox.events_since(self._outbox.event_count - TOLD_EVENTS):
            sends = 1 if self._is_lossless else JOINING_EVENT_SENDS
            heappush(self._repeats, (now + REPEAT_SECONDS, next(self._serial), sends, event))

    def _take_echoes(self, now: float) -> None:
        while self._echoes and self._echoes[0][0] <= now + _TOGETHER_SECONDS:
            _due, told = self._echoes.popleft()
            self._pending.extend(entry for entry, version in told if entry.version == version)

    def _earn(self, now: float) -> None:
        """Let the rotation have its share of the time since the last slice. It can save up no more than one turn."""
        since = now - self._credited_at if self._credited_at is not None else 0.0
        self._credited_at = now
        size = self._outbox.size
        self._credit = min(size, self._credit + max(0.0, since) * size / self._rotation_seconds)

    def _take_pending(self, since: float, taken: _Slice) -> None:
        """A quarter of a slice is kept for the rotation, so that it goes on whatever changes."""
        most = taken.room - min(taken.room // 4, int(self._credit))
        if self._pending_rate < inf:
            most = min(most, taken.size + max(_SMALL_BYTES, int(self._pending_rate * since)))
        while self._pending and taken.size < most:
            entry = self._pending.popleft()
            if not entry.is_gone:
                taken.add(self._outbox.weigh(entry))
                taken.entries.add(entry)
        if self._is_joining and not self._pending:
            self._is_joining = False
            self._credit = 0.0

    def _take_rotation(self, taken: _Slice) -> None:
        if self._is_joining:
            return  # what a rotation would tell is on its way
        room = min(taken.free + self._rotation_bytes(), taken.room - taken.size)
        for _ in range(len(self._outbox)):
            entry = self._next_in_rotation()
            if entry is None:
                return
            encoded = self._outbox.weigh(entry)
            if len(encoded) > room:
                return
            if entry not in taken.entries and not self._is_told_anyway(entry):
                taken.add(encoded)
            room -= len(encoded)  # of those that are passed over, too: looking for others would not end
            self._place += 1
            # What fills a datagram is a gift: if it had to be earned first, the turn after it would come too late.
            self._credit = max(0.0, self._credit - len(encoded))

    def _rotation_bytes(self) -> int:
        """What the rotation has earned, in whole datagrams; a state that needs less than one is told at once."""
        size = self._outbox.size
        if size < FACT_LIMIT:
            return FACT_LIMIT if self._credit >= size else 0
        return max(0, int(self._credit // FACT_LIMIT)) * FACT_LIMIT

    def _next_in_rotation(self) -> Entry | None:
        while True:
            if self._place >= len(self._rotation):
                self._rotation, self._place = self._outbox.everything(), 0
                if not self._rotation:
                    return None
            entry = self._rotation[self._place]
            if not entry.is_gone:
                return entry
            self._place += 1

    def _is_told_anyway(self, entry: Entry) -> bool:
        """Whether the fact was told as a change in this frame, or will be in the next, and frames are fast enough."""
        return entry.version > self._seen_before and self._frame_seconds <= ECHO_SECONDS

    def _take_story(self, now: float, taken: _Slice) -> None:
        """One of the latest events, when there is room in a datagram that goes anyway."""
        if not taken.facts or now < self._story_at:
            return
        story = self._outbox.events_since(self._outbox.event_count - TOLD_EVENTS)
        if not story:
            return
        self._story_place = (self._story_place + 1) % len(story)
        encoded = story[self._story_place].encoded
        if len(encoded) <= taken.free:
            taken.add(encoded)
        self._story_at = now + _STORY_SECONDS / len(story)


class _Slice:
    """What one `take` gives."""

    __slots__ = ("entries", "facts", "room", "size")

    def __init__(self, room: float) -> None:
        self.room = int(room)
        self.facts: list[bytes] = []
        self.entries: set[Entry] = set()
        self.size = 0

    @property
    def free(self) -> int:
        """Bytes that are left in the last datagram, as far as one can know before they are filled."""
        return -self.size % FACT_LIMIT

    def add(self, encoded: bytes) -> None:
        self.facts.append(encoded)
        self.size += len(encoded)

"""Shares: which items a claim takes where limits or weights are set. Pure decisions, for all stores.

Such a claim has two steps: a *look* at the flows that wait, at what is in flight and at what buckets hold; and the
claim of so many items of each flow as is decided here. What is limited is looked at and claimed under one lock, because
two who see the same room would both take it. Flows take turns within a priority, each with as many items as its site
has weight. What a limit leaves no room for is passed over, so it keeps nobody else from its turn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from snqd.stores.limits import NO_LIMITS
from snqd.stores.outcomes import Lane
from snqd.stores.turns import AGED_CLAIM, AGEING_SECONDS, NOBODY, Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from snqd.items import Item, QueueName
    from snqd.stores.limits import Limit, Limits, Target

LOOK_FLOWS = 256
"""Flows of a queue and priority that one look finds. While none of them has room, the next look begins behind them."""
LOOK_ITEMS = 16
"""Items that a look counts of each flow; one that has so many is taken to have plenty."""
LOCKED_SECONDS = 0.005
"""When to look again after somebody else was claiming what is limited, or when some flows were not looked at."""
FORGET_CLAIMS = 1000
"""Buckets that are full again are forgotten once in so many claims that have spent something."""
_PATIENCE, _LOCKED_PATIENCE = 8, 3
"""Looks that find no room are made less and less often; this many times the time doubles."""
BEYOND_ALL = "\U0010ffff"
"""A text after every name."""
_AFTER = "\x00"
"""A name with this behind it comes next after it."""
_priority = attrgetter("priority")


class Waiting(NamedTuple):
    """What waits of a flow at one priority: so many items, the oldest of them for `seconds`."""

    queue: str
    priority: int
    site: str
    items: int
    seconds: float = 0.0


class Used(NamedTuple):
    """`in_flight`: claims that count for limits, by queue and site. `buckets`: seconds until one is full again."""

    in_flight: Mapping[Target, int]
    buckets: Mapping[Target, float]


class Take(NamedTuple):
    """Up to `items` of a flow are to be claimed."""

    queue: str
    priority: int
    site: str
    items: int


class Share(NamedTuple):
    """A decision. `again_seconds`: when there may be room that nobody makes by being done; None: never."""

    takes: list[Take]
    again_seconds: float | None = None


@dataclass(slots=True)
class _Place:
    """Where the turns of a lane are."""

    last: Flow = NOBODY
    """The flow that was served last."""
    owed: int = 0
    """How many more items are its in this turn."""
    full_claims: int = 0
    """How many in a row, without those of what has aged."""
    vain_looks: int = 0


class Shares:
    """What one store remembers from claim to claim. `limits` is set by whoever uses the store."""

    def __init__(self) -> None:
        self.limits: Limits = NO_LIMITS
        self._was_full: set[tuple[QueueName, ...]] = set()
        self._is_shared_first = False
        self._places: defaultdict[tuple[QueueName, ...], _Place] = defaultdict(_Place)
        self._below: dict[str, str] = {}
        self._spendings = 0

    def claim(
        self, lane: Lane, plain: Callable[[Lane], list[Item]], shared: Callable[[Lane], list[Item]]
    ) -> list[Item]:
        """Claim with `plain` from the queues without limits, and with `shared` from the others.

        They take turns to come first. Weights alone matter only while more waits than a claim takes.
        """
        limits = self.limits
        if not limits:
            return plain(lane)
        by_weight = limits.has_weights and lane.queues in self._was_full
        ours = tuple(queue for queue in lane.queues if by_weight or limits.concern(queue))
        others = tuple(queue for queue in lane.queues if queue not in ours)
        self._is_shared_first = not self._is_shared_first
        parts = [(shared, ours), (plain, others)]
        claimed: list[Item] = []
        for claim, queues in parts if self._is_shared_first else reversed(parts):
            if queues and len(claimed) < lane.limit:
                claimed += claim(Lane(queues, lane.limit - len(claimed)))
        if limits.has_weights:
            (self._was_full.add if len(claimed) >= lane.limit else self._was_full.discard)(lane.queues)
        return claimed

    def below(self, queue: str) -> str:
        """A look goes downwards from the site before this one, and then around."""
        return self._below.get(queue, BEYOND_ALL)

    def decide(self, lane: Lane, waiting: Sequence[Waiting], used: Used, *, is_locked: bool) -> Share:
        """`is_locked`: whether nobody else claims at the same time what is limited."""
        rooms = _Rooms(self.limits, used, is_open=is_locked)
        place = self._places[lane.queues]
        taken: dict[tuple[int, Flow], int] = {}
        left = lane.limit
        for priority, flows in _lines(place, waiting):
            line = {flow: flows[flow] if flows[flow] < LOOK_ITEMS else left for flow in _in_turn(place, flows)}
            while line and left:
                for flow in tuple(line):
                    turn = place.owed if place.owed and flow == place.last else self.limits.weight(flow.site)
                    count = min(turn, line[flow], left, rooms.left(flow))
                    if count:
                        rooms.take(flow, count)
                        taken[priority, flow] = taken.get((priority, flow), 0) + count
                        place.last, place.owed = flow, turn - count
                    left -= count
                    line[flow] -= count
                    if not left:
                        break
                    if count < turn or not line[flow]:  # its turn is over, and it has nothing or may not for now
                        place.owed = 0 if flow == place.last else place.owed
                        del line[flow]
        place.full_claims = place.full_claims + 1 if not left else 0
        place.vain_looks = 0 if taken else place.vain_looks + 1
        takes = [Take(flow.queue, priority, flow.site, count) for (priority, flow), count in taken.items()]
        has_more = self._move_on(waiting, takes) and not takes
        return Share(takes, _again(place, rooms, has_more=has_more))

    def spent(self, items: Iterable[Item]) -> dict[Target, float]:
        """By how many seconds later buckets are full again, since these were claimed."""
        found: defaultdict[Target, float] = defaultdict(float)
        for (queue, site), count in Counter((item.queue, item.site) for item in items).items():
            for target, limit in self.limits.of(queue, site):
                if limit.rate:
                    found[target] += count / limit.rate
        self._spendings += bool(found)
        return dict(found)

    @property
    def wants_to_forget(self) -> bool:
        """Whether it is time to forget buckets that are full again; to be asked after something was spent."""
        return self._spendings % FORGET_CLAIMS == 0

    def _move_on(self, waiting: Sequence[Waiting], takes: Sequence[Take]) -> bool:
        """Where the next looks begin; whether there are flows that were not looked at."""
        seen = Counter((each.queue, each.priority) for each in waiting)
        crowded = {queue for (queue, _priority), count in seen.items() if count >= LOOK_FLOWS}
        served = {take.queue: take.site for take in takes}
        lowest = {each.queue: each.site for each in waiting}
        for queue, site in lowest.items():
            self._below.pop(queue, None)
            if queue in crowded:
                self._below[queue] = served.get(queue, site)
        return bool(crowded)


class _Rooms:
    """What limits leave, counted down as it is taken."""

    def __init__(self, limits: Limits, used: Used, *, is_open: bool) -> None:
        self.was_locked = False
        self._limits = limits
        self._is_open = is_open
        self._used = used
        self._in_flight: Counter[Target] = Counter()
        for (queue, site), count in used.in_flight.items():
            self._in_flight.update({(queue, site): count, (queue, ""): count, ("", site): count})
        self._of_flow: dict[Flow, list[Target]] = {}
        self._left: dict[Target, int] = {}
        self._next_token: dict[Target, float] = {}

    @property
    def again_seconds(self) -> float | None:
        """When the first of the buckets that are used up has something."""
        return min((seconds for target, seconds in self._next_token.items() if not self._left[target]), default=None)

    def left(self, flow: Flow) -> int:
        if flow not in self._of_flow:
            found = self._limits.of(*flow)
            if found and not self._is_open:
                self.was_locked = True
                return 0
            self._left.update(
                {target: self._room(target, limit) for target, limit in found if target not in self._left}
            )
            self._of_flow[flow] = [target for target, _limit in found]
        return min((self._left[target] for target in self._of_flow[flow]), default=1 << 30)

    def take(self, flow: Flow, count: int) -> None:
        for target in self._of_flow[flow]:
            self._left[target] -= count

    def _room(self, target: Target, limit: Limit) -> int:
        room = limit.in_flight - self._in_flight[target] if limit.in_flight else 1 << 30
        if limit.rate and room > 0:
            tokens = limit.burst - self._used.buckets.get(target, 0.0) * limit.rate + 1e-6
            if tokens < room:
                room = max(0, int(tokens))
                self._next_token[target] = (1 - (tokens - room)) / limit.rate
        return max(0, room)


def _lines(place: _Place, waiting: Sequence[Waiting]) -> list[tuple[int, dict[Flow, int]]]:
    """Flows by priority, the most urgent ones first; of eight full claims one begins with what has aged."""
    lines = [list(group) for _, group in groupby(sorted(waiting, key=_priority), key=_priority)]
    if place.full_claims >= AGED_CLAIM - 1:
        place.full_claims = -1
        oldest = max(lines[1:], key=_age, default=[])
        if _age(oldest) > AGEING_SECONDS:
            lines = [oldest, *(line for line in lines if line is not oldest)]
    return [(line[0].priority, {Flow(each.queue, each.site): each.items for each in line}) for line in lines]


def _in_turn(place: _Place, flows: Iterable[Flow]) -> list[Flow]:
    """Downwards from the one after the last that was served, which has its turn last, or goes on with it."""
    first = (place.last.queue, place.last.site + _AFTER) if place.owed else place.last
    downwards = sorted(flows, reverse=True)
    return [flow for flow in downwards if flow < first] + [flow for flow in downwards if flow >= first]


def _again(place: _Place, rooms: _Rooms, *, has_more: bool) -> float | None:
    """`has_more`: nothing was found, and there are flows that were not looked at."""
    times = [] if rooms.again_seconds is None else [rooms.again_seconds]
    if has_more:
        times.append(LOCKED_SECONDS * 2.0 ** min(place.vain_looks, _PATIENCE))
    if rooms.was_locked:
        times.append(LOCKED_SECONDS * 2.0 ** min(place.vain_looks, _LOCKED_PATIENCE))
    return min(times, default=None)


def _age(line: Sequence[Waiting]) -> float:
    return max((each.seconds for each in line), default=0.0)

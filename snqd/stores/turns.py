"""Turns: how the sites of a queue share its claims.

A *flow* is what waits of one site in one queue. While a claim gets all that waits, there is nothing to share. When one
comes back full, the flows of that priority take turns from the next claim on: it begins after the flow where the last
one ended and takes up to a *quota* of each, until it is full; then more of those that it has passed. A claim passes no
more flows than it takes items, so it costs the same with ten sites and with ten thousand.

The quota follows what was found: a share of the batch for each flow that has so much waiting, and less of it when the
batch was full before all had their turn, so that more flows fit into the next one.

A flow that waits *alone* is claimed as if there were no turns, with a look whether it still is alone.

*Ageing*: while claims come back full of what is urgent, one in `AGED_CLAIM` goes to the less urgent priority whose
oldest item has waited longest, if that is longer than `AGEING_SECONDS`; its flows take turns too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from snqd.items import Item, Line, QueueName
    from snqd.stores.outcomes import Lane

FLOWS_A_CLAIM = 64
"""For how many flows, at least, a batch has room when there are so many."""
_FIRST_FLOWS = 8
"""The same when nothing is known yet."""
AGED_CLAIM = 8
"""One full claim in so many may go to items that have aged."""
AGEING_SECONDS = 30.0
"""How long an item waits behind more urgent ones before it has aged."""
_PASSES = 4
"""How often a claim goes around while it is not full. The second time it takes three quotas of each flow that has so
much, then twelve, and at last whatever is missing."""


turn_of = itemgetter(10, 3, 2)
"""The priority, queue and site of an item: the flow that it is of, and when that has its turn."""
_rank = itemgetter(0, 1, 2)
in_order = itemgetter(10, 9, 0)
"""What items are sorted by in plain order: priority, available_at, id."""


class Flow(NamedTuple):
    """Ordered as in the index, where claims walk downwards."""

    queue: str
    site: str


NOBODY = Flow("", "")
"""Below all flows, so that a turn after it begins with the uppermost."""


class Turn(NamedTuple):
    """A claim in turns: from the flow below `after` on, around to `after` itself, up to `quota` items of each.

    More urgent items come before them, or after them when the claim `is_aged`; less urgent ones come last.
    """

    priority: int
    after: Flow
    quota: int
    is_aged: bool = False

    def passes(self, limit: int) -> list[tuple[int, int]]:
        """How many items of each flow to pass over, and how many to take then, going around again and again."""
        found, seen = [(0, self.quota)], self.quota
        while len(found) < _PASSES and seen < limit:
            found.append((seen, 3 * seen if len(found) < _PASSES - 1 else limit))
            seen *= 4
        return found

    def parts(self, queues: Sequence[QueueName]) -> list[Part]:
        """The queues in their order for this claim."""
        lower = sorted((queue for queue in queues if queue < self.after.queue), reverse=True)
        higher = sorted((queue for queue in queues if queue > self.after.queue), reverse=True)
        around = [Part(queue) for queue in (*lower, *higher)]
        if self.after.queue not in queues:
            return around
        below = Part(self.after.queue, below=self.after.site)
        return [below, *around, Part(self.after.queue, lowest=self.after.site)]

    def last(self, flows: Iterable[Flow]) -> Flow:
        """The one of `flows` that has its turn last."""
        flows = list(flows)
        return min([flow for flow in flows if flow >= self.after] or flows)


NO_TURN = Turn(0, NOBODY, 1)


class Alone(NamedTuple):
    """A claim of the only flow that waits at this priority."""

    priority: int
    flow: Flow


class Part(NamedTuple):
    """The flows of a queue whose sites are at least `lowest` and, unless that is None, below `below`."""

    queue: str
    below: str | None = None
    lowest: str = ""


class Turns:
    """Decides for each lane of one store how the next claim goes: None is in plain order."""

    def __init__(self) -> None:
        self._of_lane: dict[tuple[QueueName, ...], _State] = {}

    def next(self, lane: Lane, aged_below: Callable[[Lane, int], int | None]) -> Turn | Alone | None:
        """`aged_below` looks for the priority, of those less urgent than one, whose oldest item has aged most."""
        state = self._of_lane.get(lane.queues)
        if state is None:
            return None
        how = state.how
        if state.full_claims >= AGED_CLAIM - 1:
            state.full_claims = 0
            aged = aged_below(lane, how.priority)
            if aged is not None:
                before = state.aged or Turn(aged, NOBODY, _share(lane.limit, _FIRST_FLOWS))
                how = before._replace(priority=aged, is_aged=True)
        if isinstance(how, Turn) and how.quota > lane.limit:
            return how._replace(quota=lane.limit)
        return how

    def known(self, lane: Lane, turn: Turn) -> tuple[Flow, ...]:
        """All flows that there were when a claim last went around, in the order of a turn; empty when none did."""
        state = self._of_lane.get(lane.queues)
        if state is None or turn.is_aged:
            return ()
        return tuple(sorted(state.known, key=lambda flow: (flow < turn.after, flow), reverse=True))

    def claimed(
        self,
        lane: Lane,
        how: Turn | Alone | None,
        lines: Mapping[Line, int],
        *,
        has_others: bool | None = None,
        has_looked: bool = True,
    ) -> None:
        """Note what a claim took: how many of each line.

        `has_others`: whether other flows wait at that priority; None when nobody looked. `has_looked`: whether a claim
        in turns looked for flows, and did not go by those that were known.
        """
        state = self._of_lane.get(lane.queues)
        if sum(lines.values()) < lane.limit:
            self._of_lane.pop(lane.queues, None)  # nothing is left
        elif state is not None and isinstance(how, Turn) and how.is_aged:
            counts = _counts(lines, how.priority)
            after = _next_turn(lane.limit, how, counts) if counts else None
            state.aged = after if isinstance(after, Turn) else None
        else:
            if state is None:
                state = self._of_lane[lane.queues] = _State(how or NO_TURN)
            state.how, before = _following(lane.limit, how, lines, has_others), state.how
            state.full_claims += 1
            if before.priority != state.how.priority or not isinstance(how, Turn):
                state.known = frozenset()
            elif has_looked:
                state.known = _known(how, lines, state.known)


@dataclass(slots=True)
class _State:
    """Of a lane whose last claim was full."""

    how: Turn | Alone
    aged: Turn | None = None
    """Where the next claim of what has aged begins."""
    full_claims: int = 0
    """How many in a row, without those of what has aged."""
    known: frozenset[Flow] = frozenset()
    """See `Turns.known`."""


def in_turns(items: Sequence[Item]) -> list[Item]:
    """In the order of handling: by priority, then item by item of each flow. `items` are in plain order."""
    lines: dict[tuple[int, str, str], list[Item]] = {}
    for line, item in zip(map(turn_of, items), items, strict=True):
        lines.setdefault(line, []).append(item)
    keyed: list[tuple[int, int, int, Item]] = []
    for number, (line, found) in enumerate(lines.items()):
        keyed += zip(repeat(line[0]), count(), repeat(number), found)
    keyed.sort(key=_rank)
    return [item for *_key, item in keyed]


def _following(
    limit: int, how: Turn | Alone | None, lines: Mapping[Line, int], has_others: bool | None
) -> Turn | Alone:
    """What comes after a claim that was full."""
    priority = max(lines)[0]
    counts = _counts(lines, priority)
    if isinstance(how, Turn) and how.priority == priority:
        return _next_turn(limit, how, counts)
    (flow, _count), *others = counts.most_common()
    if not others and (has_others is False or (has_others is None and how == (priority, flow))):
        return Alone(priority, flow)
    return Turn(priority, flow, _share(limit, max(_FIRST_FLOWS, len(counts))))


def _next_turn(limit: int, turn: Turn, counts: Counter[Flow]) -> Turn | Alone:
    again = [flow for flow, count in counts.items() if count > turn.quota]
    if not again:  # it was full before all had their turn, or as the last one had it
        return Turn(turn.priority, turn.last(counts), max(_share(limit, FLOWS_A_CLAIM), turn.quota // 2))
    if len(counts) == 1:
        return Alone(turn.priority, *counts)
    many = [flow for flow, count in counts.items() if count >= turn.quota]
    few = sum(count for count in counts.values() if count < turn.quota)
    return Turn(turn.priority, turn.last(again), min(limit - 1, _share(limit - few, len(many))))


def _known(turn: Turn, lines: Mapping[Line, int], before: frozenset[Flow]) -> frozenset[Flow]:
    counts = _counts(lines, turn.priority)
    if any(count > turn.quota for count in counts.values()):  # it has gone around
        return frozenset(counts)
    return before | counts.keys() if before else before


def _counts(lines: Mapping[Line, int], priority: int) -> Counter[Flow]:
    """How many of each flow at a priority."""
    counts: Counter[Flow] = Counter()
    for (urgency, queue, site, _codec), number in lines.items():
        if urgency == priority:
            counts[Flow(queue, site)] += number
    return counts


def _share(items: int, flows: int) -> int:
    """Rounded up."""
    return -(-items // flows)

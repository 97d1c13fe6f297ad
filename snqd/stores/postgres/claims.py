"""How a store claims: in plain order, or in turns (see `snqd.stores.turns`); from floors on (see `floors.py`)."""

from __future__ import annotations

import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.items import items_of, lines_of
from snqd.stores.outcomes import Exchanged
from snqd.stores.postgres.floors import LOWEST, Floors
from snqd.stores.postgres.texts import number_array, text_array
from snqd.stores.sql import queries
from snqd.stores.turns import AGEING_SECONDS, Alone, Turn, Turns, in_order, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from snqd.items import Item, Line, QueueName
    from snqd.stores.outcomes import Lane
    from snqd.stores.turns import Flow

    Cursor = psycopg.Cursor[tuple[Any, ...]]

_SQL = queries("postgres")
_ONE, _LANE, _TURNS = _SQL["claim"], _SQL["claim_lane"], _SQL["claim_turns"]

_QUEUE = itemgetter(3)
_AFTER_ENDS = itemgetter(slice(3, None))
"""What comes after the three columns about what is finished."""

LOOK_CLAIMS = 8
"""Among many dead rows, claims look for unknown flows when they look at everything, and each time of so many."""


def _finish_and(claim: str) -> str:
    return f"{_SQL['finish_and']}\n{claim}\n{_SQL['finish_and_end']}"


_FINISH_AND = {claim: _finish_and(claim) for claim in (_ONE, _LANE, _TURNS)}


class Plan(NamedTuple):
    """How a claim goes. `looks`: whether it looks for flows that are not known; `is_full`: whether it has no floors."""

    lane: Lane
    how: Turn | Alone | None
    is_full: bool
    looks: bool
    known: tuple[Flow, ...]
    began: float


class PostgresClaims:
    """One per store. `dead_rows` asks the server how many rows of the table are dead."""

    def __init__(self, lease_seconds: float, dead_rows: Callable[[], int]) -> None:
        self.claimant = ""
        self.beyond_all = ""
        """A text after every name, which depends on the connection."""
        self.floors = Floors()
        self.turns = Turns()
        self._lease = lease_seconds
        self._dead_rows = dead_rows
        self._number = 0

    def claim(self, cursor: Cursor, lane: Lane) -> list[Item]:
        plan = self._plan(cursor, lane)
        if isinstance(plan.how, Alone):  # the look for others comes with the answer about what is finished
            return self._finish_and_claim(cursor, [], plan).claimed
        items = items_of(cursor.execute(self.query(lane, plan.how), self.wish(plan)).fetchall())
        return self._taken(cursor, plan, items, lines_of(items))

    def finish_and_claim(self, cursor: Cursor, items: list[Item], lane: Lane | None) -> Exchanged:
        """The usual exchange: one statement, one commit."""
        if lane is not None:
            return self._finish_and_claim(cursor, items, self._plan(cursor, lane))
        rows = cursor.execute(_SQL["finish"], _finished(items)).fetchall()
        return Exchanged([], _missing(items, {row[0] for row in rows}))

    def _finish_and_claim(self, cursor: Cursor, items: list[Item], plan: Plan) -> Exchanged:
        lane = plan.lane
        parameters = _finished(items) | self.wish(plan) | _alone(plan)
        parameters.update(expected=len(items), lane=text_array(lane.queues), beyond_all=self.beyond_all)
        rows = cursor.execute(_FINISH_AND[self.query(lane, plan.how)], parameters).fetchall()
        number, ids, has_others = rows[0][:3]
        lost = [] if number == len(items) else _missing(items, set(ids or ()))
        claimed = items_of(map(_AFTER_ENDS, rows)) if rows[0][3] is not None else []
        lines = lines_of(claimed)
        taken = self._taken(cursor, plan, claimed, lines, has_others=has_others)
        return Exchanged(taken, lost, lines=lines if claimed and len(taken) == len(claimed) else None)

    def _plan(self, cursor: Cursor, lane: Lane) -> Plan:
        how = self.turns.next(lane, lambda lane, priority: _aged_below(cursor, lane, priority))
        began = time.monotonic()
        is_full = self.is_full(began)
        self._number += 1
        looks = is_full or self._number % LOOK_CLAIMS == 0
        known = self.turns.known(lane, how) if isinstance(how, Turn) and not looks else ()
        return Plan(lane, how, is_full, looks, known, began)

    def is_full(self, now: float) -> bool:
        """Whether the next claim looks at everything, floors or not."""
        if self.floors.wants_look(now):
            self.floors.saw(self._dead_rows(), now)
        return self.floors.is_full(now)

    def query(self, lane: Lane, how: Turn | Alone | None) -> str:
        if isinstance(how, Turn):
            return _TURNS
        return _ONE if len(lane.queues) == 1 else _LANE

    def wish(self, plan: Plan) -> dict[str, Any]:
        lane, is_full = plan.lane, plan.is_full
        wish: dict[str, Any] = {"claimant": self.claimant, "lease": self._lease, "limit": lane.limit}
        if isinstance(plan.how, Turn):
            return wish | self._turn(lane, plan.how, plan.known)
        if len(lane.queues) == 1:
            floor = LOWEST if is_full else self.floors.of(lane.queues[0])
            wish.update(
                queue=lane.queues[0], floor_priority=floor.priority, floor_at=floor.available_at, floor_id=floor.id
            )
            return wish
        floors = [LOWEST if is_full else self.floors.of(queue) for queue in lane.queues]
        priorities, ats, ids = zip(*floors, strict=True)
        wish.update(
            queues=text_array(lane.queues),
            floor_priorities=number_array(priorities),
            floor_ats=number_array(ats),
            floor_ids=number_array(ids),
        )
        return wish

    def _turn(self, lane: Lane, how: Turn, known: tuple[Flow, ...]) -> dict[str, Any]:
        passes, queues = how.passes(lane.limit), text_array(lane.queues)
        parts = [] if known else how.parts(lane.queues)
        floors = [self.floors.of_flow(how.priority, flow) for flow in known]
        return {
            "priority": how.priority,
            "queues": queues,
            "first_queues": "{}" if how.is_aged else queues,
            "last_queues": queues if how.is_aged else "{}",
            "known_queues": text_array(tuple(flow.queue for flow in known)),
            "known_sites": text_array(tuple(flow.site for flow in known)),
            "known_ats": number_array([floor.available_at for floor in floors]),
            "known_ids": number_array([floor.id for floor in floors]),
            "part_queues": text_array(tuple(part.queue for part in parts)),
            "part_belows": text_array(tuple(self.beyond_all if part.below is None else part.below for part in parts)),
            "part_lowests": text_array(tuple(part.lowest for part in parts)),
            "offsets": number_array([skipped for skipped, _quota in passes]),
            "quotas": number_array([quota for _skipped, quota in passes]),
        }

    def _taken(
        self,
        cursor: Cursor,
        plan: Plan,
        items: list[Item],
        lines: Mapping[Line, int],
        *,
        has_others: bool | None = None,
    ) -> list[Item]:
        """The items of one claim in the order of handling: RETURNING has none."""
        lane, how = plan.lane, plan.how
        items.sort(key=in_order)
        if not (isinstance(how, Alone) and plan.looks and items and items[-1].priority == how.priority):
            has_others = None  # nobody has looked there
        self.turns.claimed(lane, how, lines, has_others=has_others, has_looked=not plan.known)
        times = {"began": plan.began, "ended": time.monotonic(), "wall": time.time()}
        if isinstance(how, Turn):
            self.floors.turned(items, was_full=plan.is_full, **times)
            if plan.known and len(items) < lane.limit:  # there may be more, of flows that are not known
                return in_turns(items) + self.claim(cursor, lane._replace(limit=lane.limit - len(items)))
            return in_turns(items)
        lasts: Mapping[QueueName, Item] = {}
        if len(lines) == 1:
            lasts = {items[-1].queue: items[-1]}
        elif lines:
            lasts = dict(zip(map(_QUEUE, items), items, strict=True))
        if len(lasts) > 1:  # the queue with the first item comes first
            places = {queue: place for place, queue in enumerate(lasts)}
            items.sort(key=lambda item: places[item.queue])
        self.floors.claimed(lasts.values(), was_full=plan.is_full, **times)
        return items


def _missing(items: list[Item], found: set[int]) -> list[Item]:
    return [item for item in items if item.id not in found]


def _finished(items: list[Item]) -> dict[str, Any]:
    return {"ids": number_array([item.id for item in items]), "tokens": number_array({item.token for item in items})}


def _alone(plan: Plan) -> dict[str, Any]:
    """Whose neighbours are looked for; nobody's when a priority is missing."""
    how = plan.how
    if isinstance(how, Alone) and plan.looks:
        return {"alone_priority": how.priority, "alone_queue": how.flow.queue, "alone_site": how.flow.site}
    return {"alone_priority": None, "alone_queue": "", "alone_site": ""}


def _aged_below(cursor: Cursor, lane: Lane, priority: int) -> int | None:
    parameters = {"queues": text_array(lane.queues), "priority": priority, "seconds": AGEING_SECONDS}
    row = cursor.execute(_SQL["aged_below"], parameters).fetchone()
    return None if row is None else int(row[0])

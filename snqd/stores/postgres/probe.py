"""`PostgresProbe`: what waits in the database and how the database is, asked all day long.

It has one connection, whose every statement reads only and is ended by the server after `TIMEOUT_SECONDS`. How old its
figures can be: a look sees what is committed, from the floors on (`heads.py`). With fewer than 20,000 dead rows there
are no floors; else an item that came to lie below one is seen by the next look at everything, which is made each second
if it takes less than 5 ms, and once a minute at least.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import errors as pg

from snqd.errors import SnqdError, StoreUnavailable
from snqd.items import QueueName
from snqd.stores.census import CLAIMED_ROWS, Census, Counted
from snqd.stores.estimate import EDGE_ROWS, Place, Row, View
from snqd.stores.pauses import PAUSED_ROWS, Pauses, pause_of
from snqd.stores.postgres.connection import Session, guarded
from snqd.stores.postgres.heads import BEGIN, Crowd, Floor, Head, Heads, LineName
from snqd.stores.postgres.pins import Pin, Pins
from snqd.stores.postgres.texts import beyond_all, number_array, text_array
from snqd.stores.probe import SCHEDULES, QueueLag, ScheduleState, StoreHealth
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from snqd.config.schema import StoreConfig
    from snqd.items import ItemId
    from snqd.stores.census import Kind
    from snqd.stores.estimate import Look
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import SiteDepth

TIMEOUT_SECONDS = 2.0
"""How long the server may work on one question."""
PRIORITIES = 100
"""Priorities of a queue that are looked at, the most urgent ones."""
_SQL = queries("postgres_probe")
_ROUNDS = 10
_BEFORE_ALL, _AFTER_ALL = -32769, 32768
_NAME_BYTES = 63
_ROLE = " probe"


class PostgresProbe:
    """See `snqd.stores.probe.Probe`."""

    def __init__(self, config: StoreConfig, claimant: str) -> None:
        self._url = config.url
        self._lease_seconds = float(config.lease_seconds)
        self._name = f"snqd {claimant}".rstrip()[: _NAME_BYTES - len(_ROLE)] + _ROLE
        self._session: Session | None = None
        self._forget()

    def _forget(self) -> None:
        self._crowd = Crowd()
        self._heads = Heads(self._crowd)
        self._scheduled, self._claimed = Floor(self._crowd), Floor(self._crowd)
        self._pins = Pins()

    # ---- questions

    def lags(self) -> list[QueueLag]:
        with self._asking():
            heads, now = self._look_for_heads()
            firsts = self._firsts(heads, self._holding())
        oldest: dict[str, float] = {}
        for queue, at in firsts:
            oldest[queue] = min(at, oldest.get(queue, at))
        return [QueueLag(QueueName(queue), max(0.0, now - at)) for queue, at in sorted(oldest.items())]

    def depths(self) -> list[SiteDepth]:
        census = Census()
        with self._asking():
            heads, now = self._look_for_heads()
            lines = _Lines(self, heads, self._rows("paused_lines"), now)
            census.take("ready", lines)
            census.take("paused", lines)
            census.take("scheduled", lines)
            census.take("dead", lines)
            census.claimed(self._count_claimed(now))
            paused = self._holding()
        return census.depths(now, paused)

    def pauses(self) -> list[Pause]:
        with self._asking():
            return list(map(pause_of, self._rows("pauses")))

    def health(self) -> StoreHealth:
        with self._asking():
            begun = time.perf_counter()
            self._rows("round_trip")
            took = time.perf_counter() - begun
            ((table, indexes, dead, vacuumed, live, letters),) = self._rows("health")
            pin = self._pins.oldest([Pin(*row) for row in self._rows("pins")], time.monotonic())
        pinned = pin.pid, pin.seconds or 0.0, pin.words
        return StoreHealth(took, table, indexes, dead, vacuumed, *pinned, live_rows=live, dead_letter_bytes=letters)

    def schedules(self) -> list[ScheduleState]:
        with self._asking():
            return list(map(ScheduleState._make, self._rows("schedules", limit=SCHEDULES)))

    def has_item(self, item: ItemId) -> bool:
        with self._asking():
            return bool(self._rows("has_item", id=item)[0][0])

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self._forget()

    # ---- the connection

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One question, which may take several statements. Every error is `StoreUnavailable`."""
        try:
            session = self._open()
            with guarded(session.where):
                if session.pooled:  # settings of a session would be left to somebody else
                    with session.connection.transaction():
                        self._settle(session, is_local=True)
                        yield
                else:
                    yield
        except SnqdError as error:
            if isinstance(error.__cause__, pg.QueryCanceled):
                assert self._session is not None
                raise StoreUnavailable(
                    f"{self._session.where}: a probe was not answered within {TIMEOUT_SECONDS:g} s: the server is "
                    "overloaded, a table is locked, or dead rows cannot be cleaned up"
                ) from error
            self.close()
            raise StoreUnavailable(str(error)) from error

    def _open(self) -> Session:
        if self._session is None:
            session = Session(self._url, "store.url", self._name, is_worker=True)
            try:
                if not session.pooled:
                    with guarded(session.where):
                        self._settle(session, is_local=False)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def _settle(self, session: Session, *, is_local: bool) -> None:
        timeout = {"timeout_ms": str(round(TIMEOUT_SECONDS * 1000)), "is_local": is_local}
        session.connection.execute(_SQL["settings"], timeout)

    def _rows(self, query: str, **parameters: Any) -> list[Any]:
        assert self._session is not None
        return self._session.connection.execute(_SQL[query], parameters, binary=True).fetchall()

    # ---- looks

    def _look_for_heads(self) -> tuple[list[Head], float]:
        """The first item of each line, in order, and what time it is there."""
        floors, looks, began = self._heads.floors, self._heads.looks, time.monotonic()
        found: _Walk | None = None
        if not floors or looks.is_due(began):
            try:
                found = self._look_at_all()
                looks.made(began, time.monotonic())
            except pg.QueryCanceled:
                if not floors:
                    raise
                looks.failed(time.monotonic())
        found = found or self._look_above(floors)
        self._crowd.saw(found.dead_rows)
        self._heads.saw(found.heads, found.now)
        return found.heads, found.now

    def _holding(self) -> Pauses:
        return Pauses(map(pause_of, self._rows("holding")))

    def _firsts(self, heads: Sequence[Head], paused: Pauses) -> list[tuple[str, float]]:
        """Of each line its queue and the time of its first item that is not paused."""
        heads = [head for head in heads if head.line.queue not in paused.queues]
        if paused.has_sites:
            return self._rows("first_open", **_arrays(heads), limit=PAUSED_ROWS)
        return [(head.line.queue, head.place.at) for head in heads]

    def _look_at_all(self) -> _Walk:
        assert self._session is not None
        savepoint = self._session.connection.transaction() if self._session.pooled else nullcontext()
        with savepoint:  # it may fail without ending the question
            return _Walk.read(self._rows("heads", priorities=PRIORITIES))

    def _look_above(self, floors: dict[LineName, Place]) -> _Walk:
        """New lines are found one in each gap at a time, so it goes on until there are no more."""
        known, rounds = dict(floors), 0
        while True:
            found = _Walk.read(self._rows("heads_above", **above(known, self._beyond())))
            new = {head.line: head.place for head in found.heads if head.line not in known}
            rounds += 1
            if not new or rounds == _ROUNDS:
                return found
            known |= new

    def _beyond(self) -> str:
        assert self._session is not None
        return beyond_all(self._session.connection)

    def _count_claimed(self, now: float) -> list[tuple[str, str, int]]:
        began = time.monotonic()
        floor = self._claimed.begin(began)
        rows = self._rows("claimed", floor=floor, limit=CLAIMED_ROWS)
        if floor == BEGIN:
            self._claimed.looks.made(began, time.monotonic())
        self._claimed.saw(min((row[3] for row in rows), default=None), now + self._lease_seconds - 2.0)
        return [row[:3] for row in rows]


def above(floors: Mapping[LineName, Place], beyond: str) -> dict[str, str]:
    """The parameters of `heads_above`: known lines, gaps between priorities of a queue, gaps between queues."""
    lines = sorted(floors)
    queues = sorted({line.queue for line in lines})
    gaps: list[tuple[str, int, int]] = []
    for queue in queues:
        priorities = [line.priority for line in lines if line.queue == queue]
        gaps += [
            (queue, after, before)
            for after, before in zip([_BEFORE_ALL, *priorities], [*priorities, _AFTER_ALL], strict=True)
        ]
    return {
        **_arrays([Head(line, floors[line]) for line in lines]),
        "gap_queues": _texts(queue for queue, _after, _before in gaps),
        "after_priorities": number_array(after for _queue, after, _before in gaps),
        "before_priorities": number_array(before for _queue, _after, before in gaps),
        "after_queues": _texts(["", *queues]),
        "before_queues": _texts([*queues, beyond]),
    }


class _Walk(NamedTuple):
    """What `heads` or `heads_above` found."""

    heads: list[Head]
    now: float
    dead_rows: int

    @classmethod
    def read(cls, rows: Sequence[Any]) -> _Walk:
        (_queue, _priority, now, dead_rows), *heads = rows
        return cls(
            sorted(Head(LineName(queue, priority), Place(at, id_)) for queue, priority, at, id_ in heads),
            now,
            dead_rows,
        )


class _Lines:
    """What `Census` asks: the lines as `heads` and the floors have them."""

    def __init__(
        self, probe: PostgresProbe, heads: Sequence[Head], paused: Sequence[tuple[str, str]], now: float
    ) -> None:
        self._probe, self._heads, self._paused, self._now = probe, heads, paused, now

    def lines(self, kind: Kind) -> int:
        if kind == "paused":
            return len(self._paused)
        return len(self._heads) if kind == "ready" else 1

    def has_ids(self, kind: Kind) -> bool:
        return kind != "scheduled"

    def first(self, kind: Kind, numbers: Sequence[int], limit: int) -> list[list[Counted]]:
        found: list[list[Counted]] = [[] for _ in numbers]
        for number, *counted in self._first(kind, numbers, limit):
            found[number - 1].append(Counted(*counted))
        return found

    def _first(self, kind: Kind, numbers: Sequence[int], limit: int) -> list[Any]:
        edge = {"limit": limit, "edge": EDGE_ROWS}
        if kind == "ready":
            chosen = [self._heads[number] for number in numbers]
            return self._probe._rows("first_ready", **_arrays(chosen), **edge)
        if kind == "paused":
            return self._probe._rows("first_paused", **self._flows(numbers), **edge)
        if kind == "dead":
            return self._probe._rows("first_dead", **edge)
        began, line = time.monotonic(), self._probe._scheduled
        floor = line.begin(began)
        rows = self._probe._rows("first_scheduled", floor=floor, **edge)
        if floor == BEGIN:
            line.looks.made(began, time.monotonic())
        line.saw(min((row[4] for row in rows), default=None), self._now - 2.0)
        return rows

    def look(self, kind: Kind, looks: Sequence[Look]) -> list[View]:
        places = [look.place for look in looks]
        if kind == "ready":
            chosen = [Head(self._heads[look.line].line, look.place) for look in looks]
            rows = self._probe._rows("look_ready", **_arrays(chosen), edge=EDGE_ROWS)
        elif kind == "paused":
            flows, ids = self._flows([look.line for look in looks]), number_array(place.id for place in places)
            rows = self._probe._rows("look_paused", **flows, ids=ids, edge=EDGE_ROWS)
        elif kind == "dead":
            rows = self._probe._rows("look_dead", ids=number_array(place.id for place in places), edge=EDGE_ROWS)
        else:  # the highest id of a moment: just after it
            ats = number_array(place.at + 1e-6 * (place.id > 0) for place in places)
            rows = self._probe._rows("look_scheduled", ats=ats, edge=EDGE_ROWS)
        return _views(rows, len(looks))

    def _flows(self, numbers: Sequence[int]) -> dict[str, str]:
        chosen = [self._paused[number] for number in numbers]
        return {"queues": _texts(queue for queue, _site in chosen), "sites": _texts(site for _queue, site in chosen)}


def _views(rows: Sequence[Any], count: int) -> list[View]:
    """The rows of each look; those before it come latest first."""
    sides: list[tuple[list[Row], list[Row]]] = [([], []) for _ in range(count)]
    for number, is_after, at, id_, queue, site in rows:
        sides[number - 1][is_after].append(Row(at, id_, queue, site))
    return [View(before[::-1], after) for before, after in sides]


def _arrays(heads: Sequence[Head]) -> dict[str, str]:
    return {
        "queues": _texts(head.line.queue for head in heads),
        "priorities": number_array(head.line.priority for head in heads),
        "ats": number_array(head.place.at for head in heads),
        "ids": number_array(head.place.id for head in heads),
    }


def _texts(texts: Iterable[str]) -> str:
    return text_array(tuple(texts))

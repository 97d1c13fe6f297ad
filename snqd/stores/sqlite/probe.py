"""`SqliteProbe`: what waits in the file and how large it is, asked all day long.

Its connection is opened read-only: it cannot take the write lock, and a reader of a file with a write-ahead log keeps
no writer waiting. Each question is one short read transaction, so that it does not keep the log from being reset
either; one that takes longer than `TIMEOUT_SECONDS` is given up.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from snqd.errors import SnqdError, StoreUnavailable
from snqd.items import QueueName
from snqd.stores.census import CLAIMED_ROWS, Census, Counted
from snqd.stores.estimate import EDGE_ROWS, Row, View
from snqd.stores.pauses import PAUSED_ROWS, pause_of
from snqd.stores.probe import SCHEDULES, QueueLag, ScheduleState, StoreHealth
from snqd.stores.sql import queries
from snqd.stores.sqlite import pauses
from snqd.stores.sqlite.connection import is_busy, now, pause, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from snqd.items import ItemId
    from snqd.stores.census import Kind
    from snqd.stores.estimate import Look
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import SiteDepth

T = TypeVar("T")

TIMEOUT_SECONDS = 2.0
"""How long one question may take."""
PRIORITIES = 100
"""Priorities of a queue that are looked at, the most urgent ones."""
_SQL = queries("sqlite_probe")
_INSTRUCTIONS = 50_000  # of SQLite's machine between two looks at the clock: some milliseconds


class SqliteProbe:
    """See `snqd.stores.probe.Probe`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw: sqlite3.Connection | None = None
        self._inode: tuple[int, int] = (0, 0)
        self._deadline = 0.0

    # questions

    def lags(self) -> list[QueueLag]:
        oldest: dict[str, float] = {}
        for queue, at in self._ask(_heads_of_lines):
            oldest[queue] = min(at, oldest.get(queue, at))
        clock = now()
        return [QueueLag(QueueName(queue), max(0.0, clock - at)) for queue, at in sorted(oldest.items())]

    def depths(self) -> list[SiteDepth]:
        def take(raw: sqlite3.Connection) -> list[SiteDepth]:
            census, lines = Census(), _Lines(raw)
            census.take("ready", lines)
            census.take("paused", lines)
            census.take("scheduled", lines)
            census.take("dead", lines)
            census.claimed(_rows(raw, "claimed", limit=CLAIMED_ROWS))
            return census.depths(now(), pauses.known(raw))

        return self._ask(take)

    def pauses(self) -> list[Pause]:
        return [pause_of(row) for row in self._ask(lambda raw: _rows(raw, "pauses"))]

    def health(self) -> StoreHealth:
        """`table_bytes` are the file with its write-ahead log: as much of the disk as both have."""

        def look(raw: sqlite3.Connection) -> StoreHealth:
            begun = time.perf_counter()
            raw.execute(_SQL["round_trip"]).fetchone()
            took = time.perf_counter() - begun
            log = self._path.with_name(self._path.name + "-wal")
            used, free = raw.execute(_SQL["pages"]).fetchone()
            return StoreHealth(took, table_bytes=used + _size(log), free_bytes=free)

        return self._ask(look)

    def schedules(self) -> list[ScheduleState]:
        clock = now()
        rows = self._ask(lambda raw: _rows(raw, "schedules", limit=SCHEDULES))
        return [ScheduleState._make((*row, clock)) for row in rows]

    def has_item(self, item: ItemId) -> bool:
        return bool(self._ask(lambda raw: _rows(raw, "has_item", id=item))[0][0])

    def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(sqlite3.Error):
                raw.close()

    # the connection

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer, read from one state of the file. Every error is `StoreUnavailable`."""
        began = time.monotonic()
        self._deadline = began + TIMEOUT_SECONDS
        while True:
            try:
                with self._reading() as raw:
                    return question(raw)
            except sqlite3.Error as error:
                waited = time.monotonic() - began
                if not is_busy(error) or waited > TIMEOUT_SECONDS:  # a recovery, or the closing of the last connection
                    self.close()
                    raise self._unavailable(error, waited) from error
                pause(waited)
            except SnqdError as error:
                self.close()
                raise StoreUnavailable(str(error)) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        raw = self._open()
        raw.execute("BEGIN")
        try:
            yield raw
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        inode = self._inode_now()
        if self._raw is not None and inode != self._inode:  # removed or replaced: what we see is gone
            self.close()
        if self._raw is None:
            raw = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
            )
            raw.text_factory = _text
            raw.set_progress_handler(lambda: time.monotonic() > self._deadline, _INSTRUCTIONS)
            self._raw, self._inode = raw, inode
        return self._raw

    def _inode_now(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise StoreUnavailable(f"cannot open {self._path}: {error.strerror}") from error
        return found.st_dev, found.st_ino

    def _unavailable(self, error: sqlite3.Error, waited: float) -> StoreUnavailable:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return StoreUnavailable(f"{self._path}: a probe was not answered within {TIMEOUT_SECONDS:g} s")
        return StoreUnavailable(str(translated(error, self._path, waited)))


def _heads_of_lines(raw: sqlite3.Connection) -> list[tuple[str, float]]:
    """Of each line its queue and the time of its first item that is not paused."""
    paused = pauses.known(raw)
    found = []
    for queue, priority, at, _id in _rows(raw, "heads", priorities=PRIORITIES):
        if queue in paused.queues:
            continue
        if paused.has_sites:
            where = {
                "queue": queue,
                "priority": priority,
                "limit": PAUSED_ROWS,
                "sites": json.dumps(paused.sites_of(queue)),
            }
            found += [(queue, open_at) for (open_at,) in _rows(raw, "first_open", **where)]
        else:
            found.append((queue, at))
    return found


class _Lines:
    """What `Census` asks."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._heads = _rows(raw, "heads", priorities=PRIORITIES)
        self._paused = _rows(raw, "paused_lines")

    def lines(self, kind: Kind) -> int:
        if kind == "paused":
            return len(self._paused)
        return len(self._heads) if kind == "ready" else 1

    def has_ids(self, _kind: Kind) -> bool:
        return True

    def first(self, kind: Kind, numbers: Sequence[int], limit: int) -> list[list[Counted]]:
        edge = {"limit": limit, "edge": EDGE_ROWS}
        return [
            list(map(Counted._make, _rows(self._raw, f"first_{kind}", **self._line(kind, number), **edge)))
            for number in numbers
        ]

    def look(self, kind: Kind, looks: Sequence[Look]) -> list[View]:
        found = []
        for look in looks:
            where = {**self._line(kind, look.line), "at": look.place.at, "id": look.place.id, "edge": EDGE_ROWS}
            before, after = (
                list(map(Row._make, _rows(self._raw, f"{side}_{kind}", **where))) for side in ("before", "after")
            )
            found.append(View(before[::-1], after))
        return found

    def _line(self, kind: Kind, number: int) -> dict[str, Any]:
        if kind == "paused":
            queue, site = self._paused[number]
            return {"queue": queue, "site": site}
        if kind != "ready":
            return {}
        queue, priority, _at, _id = self._heads[number]
        return {"queue": queue, "priority": priority}


def _rows(raw: sqlite3.Connection, query: str, **parameters: Any) -> list[Any]:
    return raw.execute(_SQL[query], parameters).fetchall()


def _text(text: bytes) -> str:
    """Another program may have stored text that is not UTF-8."""
    return text.decode(errors="replace")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

"""`SqliteStore`: the embedded default, one file on one host, nothing to install."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from snqd.errors import LeaseLost, StoreUnavailable
from snqd.stores.limits import NO_LIMITS
from snqd.stores.outcomes import Discarded, Done, Exchanged
from snqd.stores.pauses import PauseLook, check_target
from snqd.stores.shares import Shares
from snqd.stores.sql import queries
from snqd.stores.sqlite import care, claims, enqueue, pauses, schedules, schema, work
from snqd.stores.sqlite.connection import LOCK_WAIT_SECONDS, Connection, now
from snqd.stores.sqlite.duty import DutyLocks
from snqd.stores.sqlite.location import path_from_url
from snqd.stores.sqlite.people import People
from snqd.stores.sqlite.probe import SqliteProbe
from snqd.stores.sqlite.transaction import HandlerConnection, guard, unguard
from snqd.stores.sqlite.watch import LOOKS_SECONDS, Watch
from snqd.stores.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from snqd.config.schema import StoreConfig
    from snqd.items import Item, ItemId, NewItem, QueueName, SiteName
    from snqd.stores.base import SchemaStatus
    from snqd.stores.outcomes import Lane, Outcome
    from snqd.stores.pauses import Pause, Pauses, PausesKept
    from snqd.stores.repairs import Blame, Duty, Expired, Promoted, Reclaimed, Repaired
    from snqd.stores.schedules import Due, Kept, Ran, ScheduleRow, Wanted

_SQL = queries("sqlite")
T = TypeVar("T")


class SqliteStore(People):
    """See `snqd.stores.base.Store`.

    Writers take turns, so a method that writes may wait up to `lock_wait_seconds` for another's transaction, and so
    does everyone for a handler's `transaction`: such handlers should be short.
    """

    kind = "sqlite"
    linger_seconds = LOOKS_SECONDS
    wakes_all = False
    shows_items = True

    def __init__(self, config: StoreConfig, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        """Raises `ConfigError` when `config.url` names no file."""
        self.path = path_from_url(config.url)
        self.claimant = ""
        self.wakeup_problem: str | None = None
        self._lease_seconds = config.lease_seconds
        self._synchronous = config.synchronous
        self._lock_wait_seconds = lock_wait_seconds
        self._connection: Connection | None = None
        self._inode: tuple[int, int] = (0, 0)
        self._look = PauseLook(again_seconds=0.0)
        self.limits = NO_LIMITS
        self._turns = Turns()
        self._shares = Shares()
        self._watch: Watch | None = None
        self._duties = DutyLocks(self.path)
        self._spare: deque[Connection] = deque()
        """Connections of ended transactions, for the next ones; any thread takes and gives."""

    # connection

    def connect(self) -> None:
        connection = self._open()
        try:
            schema.check(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._inode = _inode_of(self.path)

    def reconnect(self, held: Iterable[Item]) -> None:
        self._disconnect()
        self.connect()
        if self._watch is not None:
            self._watch.follow(self._live)
        kept = {(item.id, item.token) for item in held}
        self._write(lambda raw: care.release_forgotten(raw, self.claimant, kept))

    def close(self) -> None:
        self.close_wakeups()
        self._disconnect()
        self._duties.close()

    # enqueue

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        rows = list(enqueue.rows_of(items))
        return self._write(lambda raw: enqueue.insert(raw.cursor(), rows), new_items=True)

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        rows = list(enqueue.rows_of(items))  # before the transaction: a slow iterable must not hold the write lock
        return self._write(lambda raw: enqueue.insert_many(raw.cursor(), rows), new_items=True)

    # work

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        if not outcomes and not self._live.read(
            lambda raw: claims.anything_ready(raw, self._known(raw).open_lanes(lanes))
        ):
            return Exchanged([], [])  # nothing to say and nothing to get: no write, no lock
        deletes, others = _sorted_out(outcomes)

        def at_once(raw: sqlite3.Connection) -> Exchanged:
            if deletes:
                work.ack_all(raw, deletes)
            return self._claim(raw, lanes, work.report(raw, others) if others else [])

        def one_by_one(raw: sqlite3.Connection) -> Exchanged:
            return self._claim(raw, lanes, work.report(raw, outcomes))

        has_outbox = any(isinstance(outcome, Done) for outcome in others)
        try:
            return self._write(at_once, new_items=has_outbox)
        except work.SomeLost:
            return self._write(one_by_one, new_items=has_outbox)

    def _claim(self, raw: sqlite3.Connection, lanes: Sequence[Lane], lost: list[Item]) -> Exchanged:
        paused, shares = self._known(raw), self._shares
        shares.limits = self.limits
        found = claims.claim(raw, lanes, paused, self._turns, shares, self.claimant, self._lease_seconds)
        return found._replace(lost=lost)

    def _known(self, raw: sqlite3.Connection) -> Pauses:
        """The pauses, for claims. While there are any they are read by each claim: that is cheap, and always true."""
        clock = time.monotonic()
        if self._look.is_due(clock):
            self._look.saw(pauses.holding(raw), clock)
        return self._look.known

    def renew(self, items: Sequence[Item]) -> list[Item]:
        def extend(raw: sqlite3.Connection) -> list[Item]:
            until = now() + self._lease_seconds
            return [item for item in items if not raw.execute(_SQL["renew"], (until, item.id, item.token)).rowcount]

        return self._write(extend) if items else []

    @contextmanager
    def transaction(self, item: Item) -> Iterator[sqlite3.Connection]:
        connection = self._spare.pop() if self._spare else self._open(HandlerConnection)
        raw = connection.raw
        try:
            connection.begin()
            if not connection.inside(lambda: raw.execute(_SQL["ack"], (item.id, item.token)).rowcount):
                raise LeaseLost(f"item {item.id} of queue {item.queue!r}: its claim is no longer ours")
            guard(raw)
            yield raw
            unguard(raw)
            connection.inside(lambda: raw.execute("COMMIT"))
        except BaseException:
            unguard(raw)
            connection.rollback()
            connection.close()
            raise
        self._spare.append(connection)

    # care

    def promote(self) -> Promoted:
        promoted = care.promote(self._live)
        if promoted.items:
            self._committed()
        if self._watch is not None:
            due = promoted.next_due_seconds
            self._watch.known_due = None if due is None else now() + due
        return promoted

    def reclaim(self) -> list[Reclaimed]:
        if _inode_of(self.path) != self._inode:
            raise StoreUnavailable(f"{self.path} was removed or replaced while in use: what was in it is gone")
        reclaimed = care.reclaim(self._live)
        if reclaimed:
            self._committed()
        return reclaimed

    def claimants(self) -> list[str]:
        return self._live.read(lambda raw: [name for (name,) in raw.execute(_SQL["claimants"])])

    def repair(self, claimant: str, blames: Sequence[Blame], *, crash_limit: int) -> Repaired:
        return self._write(lambda raw: care.repair(raw, claimant, blames, crash_limit))

    def take_duty(self, group: str, *, seconds: float, instead_of: str = "") -> Duty:  # noqa: ARG002
        """The kernel knows better than a clock who is dead, so neither of the two matters."""
        return self._duties.take(group, self.claimant)

    def leave_duty(self, group: str) -> None:
        self._duties.leave(group)

    def unhandled_queues(self, handled: Sequence[QueueName]) -> list[QueueName]:
        queues = self._live.read(lambda raw: [queue for (queue,) in raw.execute(_SQL["ready_queues"])])
        return [queue for queue in queues if queue not in handled]

    def expire_dead(self, seconds: float, *, limit: int) -> list[Expired]:
        expired = care.expire_dead(self._live, seconds, limit)
        if expired:
            self._committed()
        return expired

    # pauses

    def pause(
        self,
        queue: QueueName | None,
        site: SiteName | None,
        *,
        author: str,
        reason: str = "",
        seconds: float | None = None,
    ) -> Pause:
        queue, site = check_target(queue, site)
        self._look.forget()
        return self._write(lambda raw: pauses.pause(raw, queue, site, author=author, reason=reason, seconds=seconds))

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        queue, site = check_target(queue, site)
        return self._write(lambda raw: pauses.resume(raw, queue, site, author=author), new_items=True)

    def pauses(self) -> list[Pause]:
        return self._live.read(pauses.holding)

    def keep_pauses(self) -> PausesKept:
        kept = pauses.keep(self._live)
        if kept.aside or kept.back:
            self._committed()
        return kept

    # schedules

    def schedules(self) -> list[ScheduleRow]:
        return self._live.read(schedules.rows)

    def keep_schedules(self, wanted: Sequence[Wanted], declared_by: str) -> Kept:
        return schedules.keep(self._live, wanted, declared_by)

    def run_schedules(self, dues: Sequence[Due], declared_by: str) -> Ran:
        return self._write(lambda raw: schedules.run(raw, dues, declared_by), new_items=True)

    def was_run(self, site: str, name: str) -> None:
        self._write(lambda raw: schedules.was_run(raw, site, name))

    # waking

    def open_wakeups(self) -> list[int]:
        try:
            self._watch = Watch(self._live)
        except (ImportError, OSError) as error:
            self.wakeup_problem = f"the system gives no inotify watch ({error})"
            return []
        self.wakeup_problem = None
        return self._watch.descriptors()

    def read_wakeups(self) -> bool:
        return self._watch is not None and self._watch.read()

    def close_wakeups(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def probe(self) -> SqliteProbe:
        return SqliteProbe(self.path)

    # schema

    def schema_status(self) -> SchemaStatus:
        with self._for_schema() as connection:
            return schema.status(connection)

    def schema_upgrade(self) -> list[str]:
        with self._for_schema() as connection:
            return schema.upgrade(connection)

    # inside

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailable(f"{self.path} is not open: connect first")
        return self._connection

    def _open(self, factory: type[sqlite3.Connection] = sqlite3.Connection) -> Connection:
        return Connection(
            self.path,
            synchronous=self._synchronous,
            lock_wait_seconds=self._lock_wait_seconds,
            factory=factory,
        )

    def _disconnect(self) -> None:
        while self._spare:
            self._spare.pop().close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self, action: Callable[[sqlite3.Connection], T], *, new_items: bool = False) -> T:
        result = self._live.write(action)
        self._committed(new_items=new_items)
        return result

    def _committed(self, *, new_items: bool = False) -> None:
        if self._watch is not None:
            self._watch.own_commit = True
            self._watch.own_items = self._watch.own_items or new_items

    @contextmanager
    def _for_schema(self) -> Iterator[Connection]:
        """The connection, or one for the moment: the schema may be why `connect` fails."""
        if self._connection is not None:
            yield self._connection
            return
        connection = self._open()
        try:
            yield connection
        finally:
            connection.close()


def _sorted_out(outcomes: Sequence[Outcome]) -> tuple[list[Item], list[Outcome]]:
    """Items that are simply deleted, and the outcomes that need more."""
    deletes: list[Item] = []
    others: list[Outcome] = []
    for outcome in outcomes:
        if (isinstance(outcome, Done) and not outcome.outbox) or isinstance(outcome, Discarded):
            deletes.append(outcome.item)
        else:
            others.append(outcome)
    return deletes, others


def _inode_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino

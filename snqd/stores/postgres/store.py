"""`PostgresStore`: items in a PostgreSQL database, worked by any number of hosts.

A claim is a lease: `UPDATE … SET state = 'claimed'` of rows that `FOR UPDATE SKIP LOCKED` gave to this statement
alone. The usual exchange, acks of the last batch and claim of the next, is one statement and thus one commit; anything
else is a transaction of several. See `docs/architecture.md` for the designs that were measured against it.

Connections: one that works, in autocommit mode; in the worker with the watch one that listens, and one that vacuums,
opened when many rows are dead; one for handlers that asked for a transaction of their own, opened when the first does.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError, StoreError, StoreUnavailable
from snqd.items import QueueName, SiteName
from snqd.stores.limits import NO_LIMITS
from snqd.stores.outcomes import Discarded, Done, Exchanged
from snqd.stores.pauses import NO_PAUSES, check_target
from snqd.stores.postgres import duty, enqueue, pauses, schedules, schema
from snqd.stores.postgres.claims import PostgresClaims
from snqd.stores.postgres.connection import Session, guarded
from snqd.stores.postgres.listen import LINGER_SECONDS, Listener
from snqd.stores.postgres.outcomes import record
from snqd.stores.postgres.pauses import PostgresPauses
from snqd.stores.postgres.people import People
from snqd.stores.postgres.probe import PostgresProbe
from snqd.stores.postgres.repair import repair
from snqd.stores.postgres.shared import SharedClaims
from snqd.stores.postgres.single import SingleInsert
from snqd.stores.postgres.texts import beyond_all, number_array, text_array
from snqd.stores.postgres.transaction import HandlerTransactions
from snqd.stores.postgres.vacuum import Vacuum
from snqd.stores.repairs import Expired, Promoted, Reclaimed
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    import psycopg

    from snqd.config.schema import StoreConfig
    from snqd.items import Item, ItemId, NewItem
    from snqd.stores.base import SchemaStatus
    from snqd.stores.outcomes import Lane, Outcome
    from snqd.stores.pauses import Pause, Pauses, PausesKept
    from snqd.stores.postgres.connection import Connection
    from snqd.stores.repairs import Blame, Duty, Repaired
    from snqd.stores.schedules import Due, Kept, Ran, ScheduleRow, Wanted

_SQL = queries("postgres")
_CARE_LIMIT = 1000
"""Rows that one statement of promotion or reclaim touches: its locks are held for milliseconds."""
_ONLY_DONE = {Done}
_DELETIONS = {Done, Discarded}
_OUTBOX = itemgetter(1)
"""Of `Done`."""
_CARE_ROUNDS = 20
"""Statements in one call: a worker's store thread has claims to make too."""


class PostgresStore(People):
    """See `snqd.stores.base.Store`."""

    kind = "postgres"
    linger_seconds = LINGER_SECONDS
    wakes_all = False
    shows_items = True

    def __init__(self, config: StoreConfig) -> None:
        self.claimant = ""
        self.wakeup_problem: str | None = None
        self._config = config
        self._lease = float(config.lease_seconds)
        self._session: Session | None = None
        self._transactions = HandlerTransactions(config, lambda: self._application_name("handler"))
        self._listener: Listener | None = None
        self._vacuum = Vacuum(config, lambda: self._application_name("vacuum"))
        self._single: SingleInsert | None = None
        self._claims = PostgresClaims(self._lease, self._dead_rows)
        self.limits = NO_LIMITS
        self._shared = SharedClaims(self._lease)
        self._pauses = PostgresPauses()
        self._paused = NO_PAUSES
        self._cursor: psycopg.Cursor[tuple[Any, ...]]
        self._where = "PostgreSQL"

    # ---- connection

    def connect(self) -> None:
        session = self._open()
        try:
            with guarded(self._where):
                schema.check(session.connection, self._where)
        except BaseException:
            self.close()
            raise

    def reconnect(self, held: Iterable[Item]) -> None:
        """As the protocol says. Everything that goes wrong here is `StoreUnavailable`: it was right once."""
        self.close()
        try:
            self.connect()
            if self.claimant:
                ids = number_array(item.id for item in held)
                with guarded(self._where):
                    self._execute("release_unheld", claimant=self.claimant, held=ids)
        except StoreError as error:
            self.close()
            raise StoreUnavailable(str(error)) from error

    def close(self) -> None:
        self.close_wakeups()
        self._vacuum.close()
        self._transactions.close()
        if self._session is not None:
            self._session.close()
        self._session = self._single = None

    def _open(self) -> Session:
        """The working connection, opened if need be, without a look at the schema."""
        if self._session is None:
            self._session = Session(self._config.url, "store.url", self._application_name(), is_worker=True)
            self._pauses.forget()
            self._where = self._session.where
            self._cursor = self._session.connection.cursor(binary=True)
            self._claims.beyond_all = beyond_all(self._session.connection)
        return self._session

    @property
    def _connection(self) -> Connection:
        if self._session is None:
            raise StoreUnavailable("the store is not connected")
        return self._session.connection

    def _application_name(self, role: str = "") -> str:
        """Shows in pg_stat_activity which worker a session belongs to; the server keeps 63 bytes."""
        return " ".join(part for part in ("snqd", role, self.claimant) if part)

    def _execute(self, query: str, **parameters: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(_SQL[query], parameters)

    # ---- enqueue

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        with guarded(self._where):
            if len(items) == 1 and (single := self._single_insert()) is not None and enqueue.is_plain(items[0]):
                return [single.insert(items[0])]
            return enqueue.enqueue(self._connection, items)

    def _single_insert(self) -> SingleInsert | None:
        """The fast way to store one item; None behind a pooler, which has no prepared statements."""
        if self._single is None and self._session is not None and not self._session.pooled:
            self._single = SingleInsert(self._session.connection)
        return self._single

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        with guarded(self._where):
            return enqueue.enqueue_stream(self._connection, items)

    # ---- work

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        with guarded(self._where):
            paused = self._known_pauses() if lanes else NO_PAUSES
            wishes = [lane for lane in paused.open_lanes(lanes) if lane.limit > 0 and lane.queues]
            exchanged = self._exchange(outcomes, wishes)
            if not paused.has_sites:
                return exchanged
            kept, aside = paused.part(exchanged.claimed)
            if aside:
                self._pauses.set_aside(self._connection, aside)
            return Exchanged(kept, exchanged.lost, len(aside), exchanged.again_seconds)

    def _known_pauses(self) -> Pauses:
        paused = self._pauses.known(self._connection)
        if paused is not self._paused:
            self._paused = paused
            self._claims.floors.forget()
        return paused

    def _exchange(self, outcomes: Sequence[Outcome], wishes: list[Lane]) -> Exchanged:
        claims, cursor = self._claims, self._cursor
        claims.claimant = self.claimant
        if self.limits and wishes:
            with self._connection.transaction():
                lost = record(self._connection, outcomes)
                return self._claim_shares(wishes)._replace(lost=lost)
        if len(wishes) <= 1 and _are_deletions(outcomes):
            lane = wishes[0] if wishes else None
            if outcomes:
                return claims.finish_and_claim(cursor, [outcome.item for outcome in outcomes], lane)
            return Exchanged(claims.claim(cursor, lane) if lane else [], [])
        with self._connection.transaction():
            lost = record(self._connection, outcomes)
            claimed = [item for lane in wishes for item in claims.claim(cursor, lane)]
        return Exchanged(claimed, lost)

    def _claim_shares(self, wishes: list[Lane]) -> Exchanged:
        claims, shared, cursor = self._claims, self._shared, self._cursor
        shared.shares.limits = self.limits
        again_seconds = []

        def claim_shared(lane: Lane) -> list[Item]:
            items, again = shared.claim(cursor, lane, self._paused, self.claimant, claims.beyond_all)
            again_seconds.extend([] if again is None else [again])
            return items

        claimed = [
            item
            for lane in wishes
            for item in shared.shares.claim(lane, lambda part: claims.claim(cursor, part), claim_shared)
        ]
        return Exchanged(claimed, [], again_seconds=min(again_seconds, default=None))

    def _dead_rows(self) -> int:
        row = self._execute("dead_rows").fetchone()
        return int(row[0]) if row else 0

    def renew(self, items: Sequence[Item]) -> list[Item]:
        if not items:
            return []
        ids, tokens = number_array(item.id for item in items), number_array({item.token for item in items})
        with guarded(self._where):
            found = {row[0] for row in self._execute("renew", lease=self._lease, ids=ids, tokens=tokens).fetchall()}
        return [item for item in items if item.id not in found]

    def transaction(self, item: Item) -> AbstractContextManager[Connection]:
        return self._transactions.of(item)

    # ---- care

    def promote(self) -> Promoted:
        with guarded(self._where):
            promoted = 0
            for _ in range(_CARE_ROUNDS):
                count = self._execute("promote", limit=_CARE_LIMIT).rowcount
                promoted += count
                if count < _CARE_LIMIT:
                    break
            row = self._execute("next_due").fetchone()
        return Promoted(promoted, None if row is None else row[0])

    def reclaim(self) -> list[Reclaimed]:
        freed: dict[tuple[str, QueueName, SiteName], int] = {}
        with guarded(self._where):
            if self._listener is not None:
                self._listener.check(self._connection)
            self._vacuum.look(self._dead_rows)
            for _ in range(_CARE_ROUNDS):
                rows = self._execute("reclaim", limit=_CARE_LIMIT).fetchall()
                for claimant, queue, site, count, _all in rows:
                    key = (claimant, QueueName(queue), SiteName(site))
                    freed[key] = freed.get(key, 0) + count
                if sum(row[-1] for row in rows) < _CARE_LIMIT:
                    break
        return [Reclaimed(*key, count) for key, count in sorted(freed.items())]

    def claimants(self) -> list[str]:
        with guarded(self._where):
            return [row[0] for row in self._execute("claimants")]

    def repair(self, claimant: str, blames: Sequence[Blame], *, crash_limit: int) -> Repaired:
        with guarded(self._where), self._connection.transaction():
            return repair(self._connection, claimant, blames, crash_limit)

    def take_duty(self, group: str, *, seconds: float, instead_of: str = "") -> Duty:
        with guarded(self._where):
            return duty.take(self._connection, group, self.claimant, seconds=seconds, instead_of=instead_of)

    def leave_duty(self, group: str) -> None:
        with guarded(self._where):
            duty.leave(self._connection, group, self.claimant)

    def unhandled_queues(self, handled: Sequence[QueueName]) -> list[QueueName]:
        with guarded(self._where):
            return [QueueName(row[0]) for row in self._execute("unhandled_queues", handled=text_array(tuple(handled)))]

    def expire_dead(self, seconds: float, *, limit: int) -> list[Expired]:
        with guarded(self._where):
            return [Expired(*row) for row in self._execute("expire_dead", seconds=seconds, limit=limit)]

    # ---- waking

    def open_wakeups(self) -> list[int]:
        """As the protocol says; waits up to two seconds for a probe to arrive."""
        self.close_wakeups()
        self.wakeup_problem = None
        if not self._config.listen:
            self.wakeup_problem = "store.listen = false"
            return []
        address, setting = self._config.listen_url or self._config.url, "store.url"
        if self._config.listen_url:
            setting = "store.listen_url"
        try:
            listener = Listener(address, setting, self._application_name("listen"))
        except SnqdError as error:
            self.wakeup_problem = str(error)
            return []
        with guarded(self._where):
            try:
                hears = listener.hears(self._connection)
            except BaseException:
                listener.close()
                raise
        if not hears:
            listener.close(politely=True)
            self.wakeup_problem = (
                f"notifications do not pass through {setting} (a transaction pooler?): "
                "set store.listen_url to the server's own address"
            )
            return []
        self._listener = listener
        return [listener.fd]

    def read_wakeups(self) -> bool:
        return self._listener.read() if self._listener is not None else False

    def close_wakeups(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # ---- pauses

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
        with guarded(self._where):
            return self._pauses.pause(self._connection, queue, site, author=author, reason=reason, seconds=seconds)

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        queue, site = check_target(queue, site)
        with guarded(self._where):
            return self._pauses.resume(self._connection, queue, site, author=author)

    def pauses(self) -> list[Pause]:
        with guarded(self._where):
            return pauses.holding(self._connection)

    def keep_pauses(self) -> PausesKept:
        with guarded(self._where):
            return self._pauses.keep(self._connection)

    # ---- schedules

    def schedules(self) -> list[ScheduleRow]:
        with guarded(self._where):
            return schedules.rows(self._connection)

    def keep_schedules(self, wanted: Sequence[Wanted], declared_by: str) -> Kept:
        with guarded(self._where), self._connection.transaction():
            return schedules.keep(self._connection, wanted, declared_by)

    def run_schedules(self, dues: Sequence[Due], declared_by: str) -> Ran:
        with guarded(self._where), self._connection.transaction():
            return schedules.run(self._connection, dues, declared_by)

    def was_run(self, site: str, name: str) -> None:
        with guarded(self._where):
            schedules.was_run(self._connection, site, name)

    def probe(self) -> PostgresProbe:
        return PostgresProbe(self._config, self.claimant)

    # ---- schema

    def schema_status(self) -> SchemaStatus:
        session = self._open()
        with guarded(self._where):
            return schema.status(session.connection)

    def schema_upgrade(self) -> list[str]:
        session = self._open()
        with guarded(self._where):
            return schema.upgrade(session.connection, self._where)


def _are_deletions(outcomes: Sequence[Outcome]) -> bool:
    """Whether nothing has to be stored. Mostly all are done, and then no Python code runs for each."""
    kinds = set(map(type, outcomes))
    if kinds == _ONLY_DONE:
        return not any(map(_OUTBOX, outcomes))
    return kinds <= _DELETIONS and not any(outcome.outbox for outcome in outcomes if type(outcome) is Done)

"""`StompStore`: items are messages of a broker. See `docs/stomp.md` for what a broker promises and what it cannot.

The methods block: each is carried out by the `Line`, in a thread with an event loop that `connect` begins, after the
fork. There are no leases: a message is ours as long as its connection lives, and the broker gives it out again when the
connection ends. So nothing here is to be reclaimed, and what belongs to nobody is nowhere to be looked at.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snqd.errors import LeaseLost, StoreError
from snqd.stores.base import SchemaStatus
from snqd.stores.limits import NO_LIMITS
from snqd.stores.pauses import PausesKept
from snqd.stores.repairs import Duty, Promoted, Repaired
from snqd.stores.schedules import Fate, Kept, Ran, Result
from snqd.stores.stomp.destinations import Routes
from snqd.stores.stomp.line import Line
from snqd.stores.stomp.location import parse
from snqd.stores.stomp.loop import LoopThread
from snqd.stores.stomp.people import People
from snqd.stores.stomp.probe import StompProbe
from snqd.stores.stomp.transaction import StompTransaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from snqd.config.schema import StoreConfig
    from snqd.items import Item, ItemId, NewItem, QueueName, SiteName
    from snqd.stores.outcomes import Exchanged, Lane, Outcome
    from snqd.stores.pauses import Pause
    from snqd.stores.repairs import Blame, Expired, Reclaimed
    from snqd.stores.schedules import Due, ScheduleRow, Wanted


class StompStore(People):
    """See `snqd.stores.base.Store`."""

    kind = "stomp"
    linger_seconds = 0.02
    wakes_all = True
    shows_items = False

    def __init__(self, config: StoreConfig, groups: Mapping[str, str], serves: Sequence[QueueName] = ()) -> None:
        """`groups`: of queues that are not in `main`. `serves`: the queues whose items will be claimed, so that a
        repair can find there what it blames. Raises `ConfigError`.
        """
        self.claimant = ""
        self.limits = NO_LIMITS
        self._serves = serves
        self.wakeup_problem: str | None = None
        self._addresses, name = parse(config.url)
        self._routes = Routes(name, groups, config.breakouts)
        self._heartbeat_seconds = min(10.0, config.lease_seconds / 3)
        self._prefetch = config.prefetch_items
        self._loop: LoopThread | None = None
        self._line: Line | None = None
        self._bell: tuple[int, int] | None = None

    # connection

    def connect(self) -> None:
        if self._loop is not None:
            self.close()
        loop = LoopThread()
        line = loop.do(self._make_line())
        try:
            loop.do(line.brokers.open())
        except BaseException:
            loop.do(line.close())
            loop.end()
            raise
        self._loop, self._line = loop, line

    def reconnect(self, held: Iterable[Item]) -> None:
        if self._loop is None or self._line is None:
            self.connect()
        else:
            self._loop.do(self._line.reopen([item.token for item in held]))

    def close(self) -> None:
        loop, line, self._loop, self._line = self._loop, self._line, None, None
        if loop is not None and line is not None:
            loop.do(line.close())
            loop.end()
        self.close_wakeups()

    # enqueue

    def enqueue(self, items: Sequence[NewItem]) -> list[ItemId | None]:
        loop, line = self._connected()
        return [*loop.do(line.enqueue(items))] if items else []

    def enqueue_many(self, items: Iterable[NewItem]) -> int:
        """One transaction of the broker's; RabbitMQ has read all of it before it begins."""
        return len(self.enqueue(list(items)))

    # work

    def exchange(self, outcomes: Sequence[Outcome], lanes: Sequence[Lane]) -> Exchanged:
        """The outcomes are confirmed by the broker; claimed is what has been delivered, which waits for nobody."""
        loop, line = self._connected()
        return loop.do(line.exchange(outcomes, lanes))

    def renew(self, items: Sequence[Item]) -> list[Item]:
        """Those whose connection is gone. Nothing is sent: the heartbeats of the connection keep the others."""
        loop, line = self._connected()
        return loop.do(_not_held(line, items))

    @contextmanager
    def transaction(self, item: Item) -> Iterator[StompTransaction]:
        """What is put into it is sent together with the ack, in one transaction of the broker's, or not at all."""
        loop, line = self._connected()
        if loop.do(_not_held(line, [item])):
            raise LeaseLost(f"item {item.id} of queue {item.queue!r}: its claim is no longer ours")
        work = StompTransaction()
        yield work
        loop.do(line.transact(item, work.items))

    # care: the broker does it

    def promote(self) -> Promoted:
        """Every worker looks after what was delivered to it too early."""
        return Promoted(0, None)

    def reclaim(self) -> list[Reclaimed]:
        return []

    def claimants(self) -> list[str]:
        """A broker knows connections and not who has them."""
        return []

    def repair(self, claimant: str, blames: Sequence[Blame], *, crash_limit: int) -> Repaired:
        """Say what was running; the broker has given back everything already. See `blames.py`."""
        loop, line = self._connected()
        if blames:
            loop.do(line.serve(self._serves))
        blamed = loop.do(line.blame(claimant, blames, crash_limit)) if blames else []
        return Repaired(blamed, [], frozenset(each.item for each in blamed))

    def serve(self, queues: Iterable[QueueName]) -> None:
        """Listen for items of these queues, from now on. A claim does so too."""
        loop, line = self._connected()
        loop.do(line.serve(queues))

    def take_duty(self, group: str, *, seconds: float, instead_of: str = "") -> Duty:
        """Always ours: within a daemon one worker serves such a group, and a broker knows nothing of other daemons."""
        return Duty(self.claimant)

    def leave_duty(self, group: str) -> None:
        """Nothing to do."""

    def unhandled_queues(self, handled: Sequence[QueueName]) -> list[QueueName]:
        """Of the items that have come by: each was sent on to the destination of its queue alone, where it waits."""
        _loop, line = self._connected()
        return sorted(line.unhandled - set(handled))

    def expire_dead(self, seconds: float, *, limit: int) -> list[Expired]:
        """Refused when the daemon starts: each look would go through all of them."""
        return []

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
        raise StoreError("a pause cannot be kept in a STOMP broker: stop the daemons that serve the queue")

    def resume(self, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
        raise StoreError("a STOMP broker keeps no pauses: there is nothing to resume")

    def pauses(self) -> list[Pause]:
        _loop, line = self._connected()
        line.brokers.first()
        return []

    def keep_pauses(self) -> PausesKept:
        return PausesKept()

    # schedules: refused when the daemon starts, since nobody keeps how far they have come

    def schedules(self) -> list[ScheduleRow]:
        raise StoreError("a STOMP broker keeps no schedules: enqueue from cron, or use a PostgreSQL or SQLite store")

    def keep_schedules(self, wanted: Sequence[Wanted], declared_by: str) -> Kept:
        return Kept(time.time(), [])

    def run_schedules(self, dues: Sequence[Due], declared_by: str) -> Ran:
        return Ran(time.time(), [Result(Fate.BEHIND) for _due in dues])

    def was_run(self, site: str, name: str) -> None:
        """Nobody keeps that."""

    # waking

    def open_wakeups(self) -> list[int]:
        _loop, line = self._connected()
        if self._bell is None:
            self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        line.bell = self._bell[1]
        os.write(self._bell[1], b"!")  # something may have come before
        return [self._bell[0]]

    def read_wakeups(self) -> bool:
        if self._bell is None:
            return False
        try:
            return bool(os.read(self._bell[0], 65536))
        except BlockingIOError:
            return False

    def close_wakeups(self) -> None:
        bell, self._bell = self._bell, None
        if bell is None:
            return
        if self._loop is not None and self._line is not None:
            self._loop.do(_silence(self._line))  # the loop's thread must not write to what has this number next
        for end in bell:
            os.close(end)

    def probe(self) -> StompProbe:
        return StompProbe(self._addresses, self._routes)

    # schema

    def schema_status(self) -> SchemaStatus:
        return SchemaStatus(applied=(), known=())

    def schema_upgrade(self) -> list[str]:
        return []

    # inside

    async def _make_line(self) -> Line:
        return Line(self._addresses, self._routes, heartbeat_seconds=self._heartbeat_seconds, prefetch=self._prefetch)


async def _not_held(line: Line, items: Sequence[Item]) -> list[Item]:
    return [item for item in items if not line.deliveries.is_held(item)]


async def _silence(line: Line) -> None:
    line.bell = None

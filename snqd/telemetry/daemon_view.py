"""`DaemonView`: what is known of one daemon, folded from its datagrams in whatever order they come.

A daemon's life is its boot, and within it the hub's process, the *sender*, which may be replaced. Of facts about the
same thing the newer sender's count, and of one sender's those of the higher sequence number. Time here is the daemon's
own: it goes on with the clock in its datagrams, at most `LONGEST_STEP` from one to the next, so that a receiver that
was stopped, or cut off, does not take what it knows for outdated when it goes on.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from snqd.telemetry.event_list import EventList
from snqd.telemetry.facts import (
    AlarmFact,
    AnyFact,
    CanaryFact,
    ConnectionFact,
    CounterFact,
    DaemonFact,
    DepthFact,
    EventFact,
    FlowFact,
    LimitFact,
    MemoryFact,
    PauseFact,
    QueueFact,
    ScheduleFact,
    StoreFact,
    WorkerFact,
)
from snqd.telemetry.replay_window import Place, Window
from snqd.telemetry.tables import Table
from snqd.telemetry.totals import Books, Totals

if TYPE_CHECKING:
    from snqd.telemetry.tables import Budget, Limits, Pair
    from snqd.telemetry.wire import Datagram, Header

EXPIRY_SECONDS: Final = 15.0
"""What has not been told for this long is gone: a worker that is not wanted any more, a site without items."""
SILENCE_SECONDS: Final = 15.0
"""After this long without a datagram (by the receiver's clock) an earlier life is believed: clocks are set back."""
LONGEST_STEP: Final = 2.5
SESSIONS: Final = 16
"""Sessions of one sender whose sequences are followed."""

_PAIR = attrgetter("queue", "site")
_EPOCH: Final = 1 << 64  # above every sequence number


class Sequence(Window):
    """The sequence of one session, and when its last datagram came."""

    __slots__ = ("last_seen",)

    def __init__(self) -> None:
        super().__init__()
        self.last_seen = 0.0


class DaemonView:
    """One daemon. The dictionaries are the view's own, kept up to date: read them, do not change them."""

    def __init__(self, header: Header, limits: Limits, budget: Budget, now: float) -> None:
        self.name, self.host = header.daemon, header.host
        self.boot = self.sender = 0
        self.source = ""
        """Where its last datagram came from."""
        self.first_seen = self.last_seen = now
        self.sent_at = header.sent_at
        """The daemon's clock in its newest datagram."""
        self.received = 0
        """Datagrams of the present life, or a newer one, that came; the next two are among them."""
        self.repeated = 0
        self.late = 0
        """After one with a higher number."""
        self.outdated = 0
        """Of an earlier boot or sender: not used."""
        self.unknown = 0
        """Facts of kinds that this version does not know, or malformed."""
        self.refused = 0
        """Facts for which there was no room."""
        self._workers: Table[str, WorkerFact] = Table(attrgetter("worker"), limits.workers, budget)
        self._flows: Table[Pair, FlowFact] = Table(_PAIR, limits.pairs, budget, notes_changes=True)
        self._depths: Table[Pair, DepthFact] = Table(_PAIR, limits.pairs, budget, notes_changes=True)
        self._queues: Table[str, QueueFact] = Table(attrgetter("queue"), limits.queues, budget)
        alarms: Table[Pair, AlarmFact] = Table(attrgetter("name", "subject"), limits.alarms, budget)
        memory: Table[Pair, MemoryFact] = Table(attrgetter("worker", "queue"), limits.memory, budget)
        canaries: Table[str, CanaryFact] = Table(attrgetter("queue"), limits.queues, budget)
        counters: Table[Pair, CounterFact] = Table(attrgetter("counter", "owner"), limits.counters, budget)
        self._pauses: Table[Pair, PauseFact] = Table(_PAIR, limits.pairs, budget)
        self._limits: Table[Pair, LimitFact] = Table(_PAIR, limits.pairs, budget)
        self._connections: Table[tuple[str, str, str], ConnectionFact] = Table(
            attrgetter("worker", "service", "name"), limits.connections, budget
        )
        self._schedules: Table[str, ScheduleFact] = Table(attrgetter("name"), limits.queues, budget)
        self._daemon: Table[None, DaemonFact] = Table(_nothing, 1, budget)
        self._store: Table[None, StoreFact] = Table(_nothing, 1, budget)
        self._tables: dict[type[AnyFact], Table[Any, Any]] = {
            WorkerFact: self._workers,
            FlowFact: self._flows,
            DepthFact: self._depths,
            QueueFact: self._queues,
            AlarmFact: alarms,
            MemoryFact: memory,
            CanaryFact: canaries,
            CounterFact: counters,
            PauseFact: self._pauses,
            ConnectionFact: self._connections,
            LimitFact: self._limits,
            ScheduleFact: self._schedules,
            DaemonFact: self._daemon,
            StoreFact: self._store,
        }
        self.workers = self._workers.facts
        self.flows = self._flows.facts
        self.depths = self._depths.facts
        self.queues = self._queues.facts
        self.alarms, self.memory, self.canaries = alarms.facts, memory.facts, canaries.facts
        self.counters = counters.facts
        self.pauses = self._pauses.facts
        """Those that ended within the last minute too; an empty queue or site in the key means all."""
        self.limits = self._limits.facts
        """Of what is claimed; names as in the fact."""
        self.schedules = self._schedules.facts
        self.connections = self._connections.facts
        """Of services, by worker, service and name."""
        self._books = Books(self._flows, self._depths)
        self._events = EventList(limits.events, budget)
        self.events = self._events.events
        """The latest events, oldest first; the numbers of `EventFact` start again with each sender."""
        self._epoch = 0  # stamps of the present session begin above
        self._sender_base = 0  # those of the present sender
        self._sessions: dict[int, Sequence] = {}
        self._session = -1
        self._lost_before = 0
        self._elapsed = 0.0
        self._checkpoints: deque[tuple[float, int]] = deque()
        self._horizon = 0
        self._begin_life(header)

    @property
    def key(self) -> str:
        return f"{self.name}@{self.host}"

    @property
    def daemon(self) -> DaemonFact | None:
        return self._daemon.facts.get(None)

    @property
    def store(self) -> StoreFact | None:
        return self._store.facts.get(None)

    @property
    def events_taken(self) -> int:
        """How many different events came, with those that are not in `events` any more."""
        return self._events.taken

    @property
    def lost(self) -> int:
        """Datagrams that are missing between those that came. One that is late was lost until it came."""
        return self._lost_before + sum(each.missing for each in self._sessions.values())

    @property
    def is_loss_known(self) -> bool:
        """Whether `lost` counts everything that the daemon said: a legacy daemon does not number its pings."""
        return self.daemon is None or not self.daemon.dialect

    @property
    def is_complete(self) -> bool:
        """Whether the present sender has told as many facts of each kind as it says there are."""
        daemon = self.daemon
        return (
            daemon is not None
            and self._daemon.fresh == 1
            and self._workers.fresh >= daemon.workers
            and self._flows.fresh >= daemon.flows
            and self._depths.fresh >= daemon.depths
            and self._queues.fresh >= daemon.queues
            and self._pauses.fresh >= daemon.pauses
            and self._connections.fresh >= daemon.connections
            and self._limits.fresh >= daemon.limits
            and self._schedules.fresh >= daemon.schedules
        )

    def totals(self) -> Totals:
        """Sums over all queues and sites."""
        return self._books.totals()

    def queue_totals(self) -> dict[str, Totals]:
        """Sums over the sites of each queue."""
        return self._books.queues()

    def site_totals(self) -> dict[str, Totals]:
        """Sums over the queues of each site."""
        return self._books.sites()

    def take(self, datagram: Datagram, source: str, now: float) -> None:
        """Fold a datagram of this daemon in. `now`: the receiver's clock, in seconds, of any kind."""
        header = datagram.header
        if header.sender != self.sender or header.boot != self.boot:
            older = (header.boot, header.sender) < (self.boot, self.sender)
            if older and now - self.last_seen <= SILENCE_SECONDS:
                self.outdated += 1
                return
            self._begin_life(header)
        self.source, self.last_seen = source, now
        self.received += 1
        self.unknown += datagram.unknown
        sequence = self._sequence(header, now)
        place = sequence.take(header.sequence)
        sequence.last_seen = now
        if place is Place.REPEATED:
            self.repeated += 1
            return
        stamp = self._epoch + header.sequence
        is_current = header.session == self._session and stamp >= self._horizon
        if place is Place.NEWEST:
            if header.session == self._session:
                self._go_on(header.sent_at, stamp)
        else:
            self.late += 1
        self._fold(datagram.facts, stamp if is_current else -1)

    def close(self) -> None:
        """Give back the room that the facts take."""
        for table in self._tables.values():
            table.clear()
        self._events.clear()

    def _fold(self, facts: tuple[AnyFact, ...], stamp: int) -> None:
        """Stamp -1: only the events count."""
        tables, base = self._tables, self._sender_base
        for fact in facts:
            table = tables.get(fact.__class__)
            if table is not None:
                if stamp >= 0 and not table.put(fact, stamp, base):
                    self.refused += 1
            elif isinstance(fact, EventFact) and not self._events.put(fact):
                self.refused += 1

    def _begin_life(self, header: Header) -> None:
        """Another sender, and perhaps another boot. Events stay: the last ones of the old boot say why it ended."""
        if header.boot != self.boot:
            for table in self._tables.values():
                table.clear()
            self._books.settle()
        for each in self._tables.values():
            each.fresh = 0
        self._lost_before = self.lost
        self._sessions.clear()
        self._session = -1
        self._epoch += _EPOCH
        self._sender_base = self._epoch
        self._events.begin_sender()
        self.boot, self.sender, self.sent_at = header.boot, header.sender, header.sent_at

    def _sequence(self, header: Header, now: float) -> Sequence:
        """The sequence of a session. The session whose facts count is the newest, or the one that is not silent.

        Numbers of different sessions cannot be compared, so the facts of one session at a time are used. All
        sessions say the same.
        """
        session = header.session
        found = self._sessions.get(session)
        if found is None:
            found = self._sessions[session] = Sequence()
            if self._session < 0 or header.sent_at >= self.sent_at or self._is_silent(now):
                self._turn_to(session)
            if len(self._sessions) > SESSIONS:
                oldest = next(each for each in self._sessions if each not in (session, self._session))
                self._lost_before += self._sessions.pop(oldest).missing
        elif session != self._session and self._is_silent(now):
            self._turn_to(session)
        return found

    def _is_silent(self, now: float) -> bool:
        return now - self._sessions[self._session].last_seen > SILENCE_SECONDS

    def _turn_to(self, session: int) -> None:
        if self._session >= 0:
            self._epoch += _EPOCH
        self._session = session

    def _go_on(self, sent_at: float, stamp: int) -> None:
        """Let the daemon's time pass, and once a second of it forget what has not been told for long."""
        self._elapsed += min(max(0.0, sent_at - self.sent_at), LONGEST_STEP)
        self.sent_at = sent_at
        marks = self._checkpoints
        if marks and self._elapsed - marks[-1][0] < 1.0:
            return
        marks.append((self._elapsed, stamp))
        while self._elapsed - marks[0][0] >= EXPIRY_SECONDS:
            self._horizon = marks.popleft()[1]
        for table in self._tables.values():
            table.drop_older(self._horizon, self._sender_base)
        if max(len(self._flows.changed), len(self._depths.changed)) > len(self.flows) + len(self.depths) + 1000:
            self._books.settle()  # nobody asks for totals: do not gather changes for ever


def _nothing(_fact: AnyFact) -> None:
    """The key of what there is only one of."""

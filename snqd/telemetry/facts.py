"""What the daemon says of its state, again and again: every kind of fact, and the unit of each field.

With `events.py` (what happened) this is the published contract of telemetry. A fact is a whole statement about one
thing (a worker, a flow, the store): the newest one about a thing replaces the one before, so a fact that is lost,
repeated or late does no harm. Counters are cumulative since the daemon's boot, never differences.

Times are epoch seconds by the clock of the daemon's host; the datagram that carries a fact says what time it is there,
so that a receiver can tell ages without a common clock.

On the wire a fact is an array: its `kind` number, then its fields in this order. Fields may be added at the end, with a
default; none is ever removed or given another meaning. Kinds that a receiver does not know are counted and passed over.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta

from snqd.telemetry.histogram import BUCKETS

Count = Annotated[int, Meta(ge=0)]
"""Never below 0: a counter, a number of things, of bytes, of a process."""
Seconds = Annotated[float, Meta(ge=0, le=1e15)]
"""A cumulative time. Finite, like every figure: one that is not would spoil every sum that it comes into."""
Figure = Annotated[float, Meta(ge=-1e15, le=1e15)]
"""A time of the clock, an age, a rate: clocks may be set back, so the sign is free."""
Histogram = Annotated[tuple[Count, ...], Meta(max_length=2 * BUCKETS)]
FieldValue = str | int | Figure | bool | None
Fields = Annotated[
    dict[str, FieldValue | Annotated[tuple[FieldValue, ...], Meta(max_length=1024)]], Meta(max_length=64)
]
"""Fields of an event. Flat, so that what a stranger sends cannot be nested deeper than a reader can walk."""


class Fact(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", gc=False):
    """Base of all kinds. Nothing in a fact can refer back to it, so the garbage collector need not look (`gc`)."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What the fact is about: of two facts with the same type and key the newer one counts."""
        return ()

    def __deepcopy__(self, _memo: object) -> Self:
        """A fact never changes: copies of a fold share it."""
        return self


class DaemonFact(Fact, frozen=True, tag=1):
    """The daemon itself."""

    version: str
    pid: Count
    """The supervisor's."""
    started: Figure
    """When the daemon booted."""
    config_hash: str
    """Changes when the configuration does; secrets are not in it."""
    store: str
    """The store's address without secrets."""
    workers_wanted: Count
    hub_pid: Count
    hub_started: Figure
    """When the hub's process began: later than `started` when it was respawned."""
    hub_cpu_seconds: Seconds
    """Processor time of the hub since it began: what telemetry costs, with `probe_seconds` in it."""
    hub_rss_bytes: Count
    probe_seconds: Seconds
    """Time that the store took to answer the hub's questions, since the hub began."""
    events_dropped: Count
    """Events that did not reach the hub because too many came at once; they are in the log."""
    datagrams_sent: Count
    """To all receivers, since the hub began."""
    bad_datagrams: Count
    """Datagrams that came in and were not understood, or not authentic."""
    workers: Count
    """How many worker facts there are: a receiver that has fewer is not complete yet."""
    flows: Count
    """How many flow facts there are."""
    depths: Count
    """How many depth facts there are."""
    queues: Count
    """How many queue facts there are."""
    dialect: str = ""
    """Empty = our own. `legacy` = the pings of StatusNet 0.9 or GNU social, gathered by whoever tells it
    (`legacy.py`): how many of them were lost is not known, and there is nothing in them but phases and counters. 0
    means *not known* in every other field then, and `started` is when the first ping was heard.
    """
    pauses: Count = 0
    """How many pause facts there are."""
    recent_deaths: Count = 0
    """Workers that died within the last five minutes; those replaced on purpose do not count."""
    connections: Count = 0
    """How many connection facts there are."""
    limits: Count = 0
    """How many limit facts there are."""
    schedules: Count = 0
    """How many schedule facts there are."""


class WorkerFact(Fact, frozen=True, tag=2):
    """One worker slot, and the worker in it."""

    worker: str
    """Its name, `<daemon>.<slot>`."""
    pid: Count
    """0 = no process now."""
    state: str
    """Of the slot: closed, starting, running, stopping, backoff, fatal."""
    phase: str
    """What the worker does, by its own words: starting, idle, claiming, handling, draining, stopped,
    standby (a worker of another daemon serves its group)."""
    spawned: Figure
    """When its process was started; 0 = never."""
    beat: Figure
    """When the loop that does the work last turned. A stuck loop has an old beat, however alive the process is."""
    item: Count
    """The item that has been running longest; 0 = none."""
    queue: str
    site: str
    item_started: Figure
    """When that item's handler was called; 0 = no item runs."""
    running: Count
    """Items that run now."""
    claimed: Count
    """Since the daemon's boot, like the counters below: respawns do not set them back."""
    handled: Count
    failed: Count
    retried: Count
    dead_lettered: Count
    discarded: Count
    released: Count
    rss_bytes: Count
    """Resident memory; 0 = no process."""
    memory_limit_bytes: Count
    """Soft limit; 0 = none."""
    cpu_seconds: Seconds
    """Processor time of the present process."""
    respawns: Count
    exit_reason: str
    """In words, how the last worker of this slot ended; empty when none has."""
    exit_at: Figure
    """When; 0 = none has."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.worker,)


class FlowFact(Fact, frozen=True, tag=3):
    """What became of the items of one queue and site, over all workers of the daemon."""

    queue: str
    site: str
    claimed: Count
    handled: Count
    """Done, and the store knows."""
    failed: Count
    """Handlings that ended with an exception, a time limit or a crash; those that became dead letters are in both."""
    retried: Count
    """Handlers that asked for a later attempt."""
    released: Count
    """Given back without using an attempt."""
    dead_lettered: Count
    discarded: Count
    bad_items: Count
    """Dead-lettered because their frame was not valid for their codec; in `dead_lettered` too."""
    leases_lost: Count
    """Ended when their claim was no longer ours: they run, or ran, elsewhere too."""
    reclaimed: Count
    """Given back by this daemon in the place of a claimant that is gone or whose lease ran out."""
    run: Histogram
    """Run times of handlers, a sparse histogram: bucket, count, bucket, count … (`histogram.py` has the bounds)."""
    run_seconds: Seconds
    """Their sum."""
    wait: Histogram
    """Times from when an item could be claimed to its handler's start, in the same form."""
    wait_seconds: Figure

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue, self.site)


class DepthFact(Fact, frozen=True, tag=4):
    """What waits in the store for one queue and site."""

    queue: str
    site: str
    ready: Count
    """Claimable now: the depth. What a pause covers is not among them."""
    scheduled: Count
    """Wait for their time."""
    in_flight: Count
    """Claimed, here or on other hosts."""
    lag_seconds: Figure
    """Age of the oldest ready item; 0 = there is none."""
    dead: Count
    """Dead letters."""
    is_estimate: bool
    """Whether the numbers of items are estimates: too many wait to be counted."""
    at: Figure
    """When the store was asked."""
    enqueued: int
    """Came in since the daemon's boot, reckoned: what waits now more than then, and what this daemon took away. Exact
    while it is the only one that serves the queue and nothing is estimated; the sum over all daemons is, else."""
    paused: Count = 0
    """Would be ready, but the queue, the site or both together are paused. They have no lag."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue, self.site)


class StoreFact(Fact, frozen=True, tag=5):
    """The store, as the hub sees it."""

    kind_of_store: str
    """sqlite, postgres, …"""
    connected: bool
    problem: str
    """One line, when it is not connected."""
    since: Figure
    """When `connected` last changed."""
    round_trip_seconds: Figure
    """Of the smallest question."""
    table_bytes: int
    """-1 = not known, here and below."""
    index_bytes: int
    dead_rows: int
    """An estimate by the server."""
    last_autovacuum: Figure
    """0 = never."""
    pin_pid: Annotated[int, Meta(ge=-1)]
    """The oldest transaction that keeps dead rows from being cleaned up, when it is older than a minute; 0 = none, -1 =
    something that is no process, such as a replication slot: `pin_query` names it.
    """
    pin_age_seconds: Figure
    pin_query: str
    """Its query, cut, with literals taken out."""
    live_rows: int = -1
    """Of the items' table, an estimate by the server. Few of them in a large table are bloat."""
    dead_letter_bytes: int = -1
    """Table and indexes of the dead letters."""
    free_bytes: int = -1
    """SQLite: room in the file that nothing is in."""


class EventFact(Fact, frozen=True, tag=6):
    """Something that happened (`events.py`). Numbered from 1 by each hub process, and sent several times."""

    number: Count
    at: Figure
    name: str
    """The event's type."""
    level: str
    """debug, info, warning, error."""
    message: str
    """As in the log."""
    fields: Fields
    """The event's fields, long texts cut."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.number,)


class AlarmFact(Fact, frozen=True, tag=7):
    """One alarm, raised or cleared."""

    name: str
    """What kind: lag, failures, respawns, fatal, stalled, no_handler, dead_letters, store, memory, canary,
    connection.
    """
    subject: str
    """What it is about: a queue, a worker, the store."""
    is_raised: bool
    since: Figure
    """When it was raised, or cleared."""
    value: Figure
    """The figure that is judged, in the unit of the threshold."""
    threshold: Figure
    message: str
    """One sentence for a person."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.name, self.subject)


class MemoryFact(Fact, frozen=True, tag=8):
    """Growth of a worker's resident memory, by the queue whose handler ran meanwhile."""

    worker: str
    queue: str
    grown_bytes: int
    """Over the life of the present process."""
    items: Count
    """Handled meanwhile."""
    limit_in_seconds: Figure
    """When the worker reaches its soft limit if it goes on like this; -1 = not in sight."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.worker, self.queue)


class CanaryFact(Fact, frozen=True, tag=9):
    """The canary of one queue: a no-op item that goes the whole way."""

    queue: str
    sent: Count
    returned: Count
    last_sent: Figure
    last_returned: Figure
    """0 = never."""
    last_seconds: Figure
    """From the enqueue call to the ack of the last one that returned; -1 = none has."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue,)


class QueueFact(Fact, frozen=True, tag=10):
    """One queue as a whole: who serves it, and where it is going. Its counts are the sums over its sites."""

    queue: str
    workers: Count
    """Living workers of this daemon that serve it; 0 = nobody here."""
    has_handler: bool
    """Whether a handler is registered for it here, in whatever group."""
    paused: str
    """That the whole queue is paused, in words: by whom, since when, until when, why; empty = it is not. `PauseFact`
    has the same in figures, and pauses of sites.
    """
    in_per_second: Figure
    """Enqueued, over the last minute."""
    out_per_second: Figure
    """Handled, discarded and dead-lettered here, over the last minute."""
    drain_seconds: Figure
    """Time until nothing is ready at these rates; 0 = nothing is, -1 = never: as much comes in as goes out, or more."""
    is_growing: bool
    """Whether the backlog grew over the last minute."""
    lag_seconds: float = 0.0
    """Age of the oldest ready item of the queue; asked more often than the depth facts of its sites are."""
    lag_at: float = 0.0
    """When the store was asked for it; 0 = not yet."""
    recent_failed: Count = 0
    """Of `recent_handlings`, those that ended with an exception, a time limit or a crash."""
    recent_handlings: Count = 0
    """Handlings that ended within the last five minutes: what an alarm on failures judges."""
    in_flight_limit: Count = 0
    """Most items of the whole queue that are claimed at the same time, over all daemons; 0 = no such limit. `LimitFact`
    has those of sites too.
    """
    rate_limit: Figure = 0.0
    """Most items of the whole queue that are begun in a second, over all daemons; 0 = no such limit."""
    held_back: str = ""
    """The limit that holds back all that is ready now, of the queue or of the sites that have ready items, in words;
    empty = none does. A rate is taken to hold items back that were left for seconds, beside an idle worker or while as
    many go out as it allows; not one that lets items through and of which none has gone out for a minute.
    """

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue,)


class CounterFact(Fact, frozen=True, tag=11):
    """Something that was counted under a name for which no other fact has a field: of a legacy daemon."""

    counter: str
    """By the name that the sender uses: enqueued, switch, siteupdate, xmpp_process …"""
    owner: str
    """What it was counted for: `queue:NAME`, `site:NAME` or `thread:NAME`; empty = the daemon. One event counts once
    for each of its owners.
    """
    count: Count
    """Since the daemon was first heard."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.counter, self.owner)


class PauseFact(Fact, frozen=True, tag=12):
    """A pause: items of a queue, of a site, or of a queue of one site are not handed out for now."""

    queue: str
    """Empty = every queue."""
    site: str
    """Empty = every site."""
    author: str
    """Who paused it, by what they said."""
    reason: str
    since: Figure
    expires: Figure
    """When it ends by itself; 0 = not before somebody resumes it."""
    ended: Figure
    """When it was resumed, or its time was over; 0 = it holds. Told for a minute, so that everybody hears of it."""
    ended_by: str
    """Who resumed it; empty when nobody had to."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue, self.site)


class ConnectionFact(Fact, frozen=True, tag=13):
    """A connection that a service of a worker keeps to another system. Its counts begin with the worker's process."""

    worker: str
    service: str
    """What it is for: `xmpp`."""
    name: str
    """What it is to, such as a JID."""
    site: str
    """Empty = it is there for several."""
    state: str
    """connecting, connected, backing off, closed."""
    since: Figure
    """When it was connected, or when it was lost; for one that never was connected, when its worker began."""
    problem: str
    """One line: why it is not connected; empty when it is."""
    retry_at: Figure
    """When it is tried again, while it is backing off; else 0."""
    ping_seconds: Figure
    """Time of the last question that was answered, there and back; -1 = none has been asked."""
    sent: Count
    """Those that were sent again after a reconnect are counted again, here only."""
    acknowledged: Count
    """What the other side has said that it has."""
    unacknowledged: Count
    """Sent, or waiting to be, and not acknowledged."""
    received: Count
    connects: Count
    """How often it has been connected."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.worker, self.service, self.name)


class LimitFact(Fact, frozen=True, tag=14):
    """A limit on what is claimed at the same time, or in a second, over all daemons on the store."""

    queue: str
    """Empty = over all queues."""
    site: str
    """Empty = over all sites; `*` = for each site that has none of its own."""
    in_flight: Count
    """Most items that are claimed at the same time; 0 = no limit."""
    rate: Figure
    """Most items that are begun in a second; 0 = no limit."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue, self.site)


class ScheduleFact(Fact, frozen=True, tag=15):
    """A schedule, as far as the daemons on the store have come with it, at the site that is furthest behind."""

    name: str
    queue: str
    site: str
    sites: Count
    """How many sites share it."""
    declared_by: str
    """`daemon@host` that acted on it last, or declared it; empty = nobody has yet."""
    due: Figure
    """The first due time on which nobody has acted: the next one, or one that is overdue; 0 = there is none."""
    overdue_seconds: Figure
    """Its age when the store was asked, by the store's clock; 0 = it has not come."""
    problem: str
    """One line: why no daemon keeps it, as far as the configuration here says; empty = nothing is wrong there."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.name,)


AnyFact = (
    DaemonFact | WorkerFact | FlowFact | DepthFact | StoreFact | EventFact | AlarmFact | MemoryFact | CanaryFact
    | QueueFact | CounterFact | PauseFact | ConnectionFact | LimitFact | ScheduleFact
)  # fmt: skip
KINDS: tuple[type[Fact], ...] = (
    DaemonFact, WorkerFact, FlowFact, DepthFact, StoreFact, EventFact, AlarmFact, MemoryFact, CanaryFact, QueueFact,
    CounterFact, PauseFact, ConnectionFact, LimitFact, ScheduleFact
)  # fmt: skip

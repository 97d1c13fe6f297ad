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

from typing import Any

import msgspec


class Fact(msgspec.Struct, frozen=True, array_like=True, tag_field="kind"):
    """Base of all kinds."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What the fact is about: of two facts with the same type and key the newer one counts."""
        return ()


class DaemonFact(Fact, frozen=True, tag=1):
    """The daemon itself."""

    version: str
    pid: int
    """The supervisor's."""
    started: float
    """When the daemon booted."""
    config_hash: str
    """Changes when the configuration does; secrets are not in it."""
    store: str
    """The store's address without secrets."""
    workers_wanted: int
    hub_pid: int
    hub_started: float
    """When the hub's process began: later than `started` when it was respawned."""
    hub_cpu_seconds: float
    """Processor time of the hub since it began: what telemetry costs, with `probe_seconds` in it."""
    hub_rss_bytes: int
    probe_seconds: float
    """Time that the store took to answer the hub's questions, since the hub began."""
    events_dropped: int
    """Events that did not reach the hub because too many came at once; they are in the log."""
    datagrams_sent: int
    """To all receivers, since the hub began."""
    bad_datagrams: int
    """Datagrams that came in and were not understood, or not authentic."""
    workers: int
    """How many worker facts there are: a receiver that has fewer is not complete yet."""
    flows: int
    """How many flow facts there are."""
    depths: int
    """How many depth facts there are."""
    queues: int
    """How many queue facts there are."""


class WorkerFact(Fact, frozen=True, tag=2):
    """One worker slot, and the worker in it."""

    worker: str
    """Its name, `<daemon>.<slot>`."""
    pid: int
    """0 = no process now."""
    state: str
    """Of the slot: closed, starting, running, stopping, backoff, fatal."""
    phase: str
    """What the worker does, by its own words: starting, idle, claiming, handling, draining, stopped."""
    spawned: float
    """When its process was started; 0 = never."""
    beat: float
    """When the loop that does the work last turned. A stuck loop has an old beat, however alive the process is."""
    item: int
    """The item that has been running longest; 0 = none."""
    queue: str
    site: str
    item_started: float
    """When that item's handler was called; 0 = no item runs."""
    running: int
    """Items that run now."""
    claimed: int
    """Since the daemon's boot, like the counters below: respawns do not set them back."""
    handled: int
    failed: int
    retried: int
    dead_lettered: int
    discarded: int
    released: int
    rss_bytes: int
    """Resident memory; 0 = no process."""
    memory_limit_bytes: int
    """Soft limit; 0 = none."""
    cpu_seconds: float
    """Processor time of the present process."""
    respawns: int
    exit_reason: str
    """In words, how the last worker of this slot ended; empty when none has."""
    exit_at: float
    """When; 0 = none has."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.worker,)


class FlowFact(Fact, frozen=True, tag=3):
    """What became of the items of one queue and site, over all workers of the daemon."""

    queue: str
    site: str
    claimed: int
    handled: int
    """Done, and the store knows."""
    failed: int
    """Handlings that ended with an exception, a time limit or a crash; those that became dead letters are in both."""
    retried: int
    """Handlers that asked for a later attempt."""
    released: int
    """Given back without using an attempt."""
    dead_lettered: int
    discarded: int
    bad_items: int
    """Dead-lettered because their frame was not valid for their codec; in `dead_lettered` too."""
    leases_lost: int
    """Ended when their claim was no longer ours: they run, or ran, elsewhere too."""
    reclaimed: int
    """Given back by this daemon in the place of a claimant that is gone or whose lease ran out."""
    run: tuple[int, ...]
    """Run times of handlers, a sparse histogram: bucket, count, bucket, count … (`histogram.py` has the bounds)."""
    run_seconds: float
    """Their sum."""
    wait: tuple[int, ...]
    """Times from when an item could be claimed to its handler's start, in the same form."""
    wait_seconds: float

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue, self.site)


class DepthFact(Fact, frozen=True, tag=4):
    """What waits in the store for one queue and site."""

    queue: str
    site: str
    ready: int
    """Claimable now: the depth."""
    scheduled: int
    """Wait for their time."""
    in_flight: int
    """Claimed, here or on other hosts."""
    lag_seconds: float
    """Age of the oldest ready item; 0 = there is none."""
    dead: int
    """Dead letters."""
    is_estimate: bool
    """Whether the numbers of items are estimates: too many wait to be counted."""
    at: float
    """When the store was asked."""
    enqueued: int
    """Came in since the daemon's boot, reckoned: what waits now more than then, and what this daemon took away. Exact
    while it is the only one that serves the queue and nothing is estimated; the sum over all daemons is, else."""

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
    since: float
    """When `connected` last changed."""
    round_trip_seconds: float
    """Of the smallest question."""
    table_bytes: int
    """-1 = not known, here and below."""
    index_bytes: int
    dead_rows: int
    """An estimate by the server."""
    last_autovacuum: float
    """0 = never."""
    pin_pid: int
    """The oldest transaction that keeps dead rows from being cleaned up, when it is older than a minute; 0 = none."""
    pin_age_seconds: float
    pin_query: str
    """Its query, cut, with literals taken out."""


class EventFact(Fact, frozen=True, tag=6):
    """Something that happened (`events.py`). Numbered from 1 by each hub process, and sent several times."""

    number: int
    at: float
    name: str
    """The event's type."""
    level: str
    """debug, info, warning, error."""
    message: str
    """As in the log."""
    fields: dict[str, Any]
    """The event's fields, long texts cut."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.number,)


class AlarmFact(Fact, frozen=True, tag=7):
    """One alarm, raised or cleared."""

    name: str
    """What kind: lag, failures, respawns, fatal, stalled, no_handler, dead_letters, store, memory, canary."""
    subject: str
    """What it is about: a queue, a worker, the store."""
    is_raised: bool
    since: float
    """When it was raised, or cleared."""
    value: float
    """The figure that is judged, in the unit of the threshold."""
    threshold: float
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
    items: int
    """Handled meanwhile."""
    limit_in_seconds: float
    """When the worker reaches its soft limit if it goes on like this; -1 = not in sight."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.worker, self.queue)


class CanaryFact(Fact, frozen=True, tag=9):
    """The canary of one queue: a no-op item that goes the whole way."""

    queue: str
    sent: int
    returned: int
    last_sent: float
    last_returned: float
    """0 = never."""
    last_seconds: float
    """From the enqueue call to the ack of the last one that returned; -1 = none has."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue,)


class QueueFact(Fact, frozen=True, tag=10):
    """One queue as a whole: who serves it, and where it is going. Its counts are the sums over its sites."""

    queue: str
    workers: int
    """Living workers of this daemon that serve it; 0 = nobody here."""
    has_handler: bool
    """Whether a handler is registered for it here, in whatever group."""
    paused: str
    """Why it is paused; empty = it is not."""
    in_per_second: float
    """Enqueued, over the last minute."""
    out_per_second: float
    """Handled, discarded and dead-lettered here, over the last minute."""
    drain_seconds: float
    """Time until nothing is ready at these rates; 0 = nothing is, -1 = never: as much comes in as goes out, or more."""
    is_growing: bool
    """Whether the backlog grew over the last minute."""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.queue,)


AnyFact = (
    DaemonFact | WorkerFact | FlowFact | DepthFact | StoreFact | EventFact | AlarmFact | MemoryFact | CanaryFact
    | QueueFact
)  # fmt: skip
KINDS: tuple[type[Fact], ...] = (
    DaemonFact, WorkerFact, FlowFact, DepthFact, StoreFact, EventFact, AlarmFact, MemoryFact, CanaryFact, QueueFact
)  # fmt: skip

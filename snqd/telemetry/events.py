"""What the daemon tells the world: every event, when it happens, and the unit of each field.

This module is a contract. Values are strings and numbers only. Log lines (`logs.py`) are rendered from
these events in one place; nothing else in the core writes to the log.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted:
    """The supervisor is ready: every slot has been started."""

    daemon: str
    pid: int
    version: str
    workers: int
    store: str
    """The store's address without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopping:
    """The supervisor stops: `reason` names the signal."""

    daemon: str
    reason: str
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped:
    """Every child is gone."""

    daemon: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloading:
    """HUP was obeyed: the configuration was read again and workers are being replaced one by one."""

    daemon: str
    changes: tuple[str, ...] = ()
    """Settings that differ, as `key: old -> new`; secrets are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFailed:
    """HUP was refused: the new configuration is wrong and the old one stays in force."""

    daemon: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFinished:
    """Every worker has the new configuration."""

    daemon: str
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCountChanged:
    """TTIN, TTOU or a reload changed how many workers are wanted, or `reason` says why it did not."""

    daemon: str
    workers: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpawned:
    """A worker process was forked. `respawns` counts the slot's earlier workers."""

    worker: str
    pid: int
    respawns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """The worker has loaded its handlers and begins to claim."""

    worker: str
    pid: int
    queues: tuple[str, ...]
    startup_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStandsBy:
    """A worker of another daemon on the same store serves groups that only one may serve. This one waits until that one
    leaves or is not heard of any more. Sent when it begins to wait, and when another one serves.
    """

    worker: str
    groups: tuple[str, ...]
    claimant: str
    """Who serves: `host/worker/process/scope`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOnDuty:
    """A worker that stood by has taken over."""

    worker: str
    groups: tuple[str, ...]
    before: str
    """Who served until now."""
    after_seconds: float
    """Since the worker began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCrashed:
    """An exception escaped from the worker's code (not from a handler): a defect of snqd. Sent by the worker."""

    worker: str
    pid: int
    error: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExited:
    """A worker process is gone. `reason` is in words; `item` and its queue and site are its last words."""

    worker: str
    pid: int
    code: int | None
    """Exit code, or None when a signal ended it."""
    signal: str | None
    reason: str
    expected: bool
    """True when the worker left because it was asked to or by its own policy (drain, memory, age)."""
    lived_seconds: float
    handled: int
    rss_bytes: int
    """Resident memory when it last looked."""
    failed: int = 0
    retried: int = 0
    dead_lettered: int = 0
    discarded: int = 0
    items: tuple[int, ...] = ()
    """Ids of the items that were running."""
    queue: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRespawning:
    """The slot gets a new worker after `delay_seconds`."""

    worker: str
    delay_seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFatal:
    """The slot is given up: it stays empty until the daemon is reloaded or restarted."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKilled:
    """The supervisor sent SIGKILL: the time limit of an item, the grace period or a stuck loop."""

    worker: str
    pid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRestart:
    """The worker leaves because its resident memory passed the soft limit; it has finished its items."""

    worker: str
    rss_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUsage:
    """Resident memory after a batch (setting `debug_memory`)."""

    worker: str
    rss_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDump:
    """USR1: what one worker is doing now."""

    worker: str
    pid: int
    state: str
    handled: int
    failed: int
    rss_bytes: int
    beat_age_seconds: float
    running: tuple[str, ...]
    """One `item queue site seconds` for each running item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailed:
    """A handling ended with an exception; the item is tried again after `retry_seconds`."""

    worker: str
    item: int
    queue: str
    site: str
    attempt: int
    max_attempts: int
    error: str
    retry_seconds: float
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetried:
    """The handler asked for a later attempt with `Retry`."""

    worker: str
    item: int
    queue: str
    site: str
    attempt: int
    error: str
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeadLettered:
    """The item was given up and is in the dead-letter table. `reason`: attempts, crash, bad_item."""

    worker: str
    item: int
    queue: str
    site: str
    attempt: int
    reason: str
    error: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDiscarded:
    """The handler decided with `Discard` that the item is not worth doing."""

    worker: str
    item: int
    queue: str
    site: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCrashed:
    """The item was running when its worker died; it is claimable again."""

    worker: str
    item: int
    queue: str
    site: str
    crash_attempts: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsReleased:
    """Items went back unstarted or cut short, without using an attempt."""

    worker: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsReclaimed:
    """Items of a claimant that is gone (`claimant`) are claimable again."""

    worker: str
    count: int
    claimant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLeaseLost:
    """The item's claim was no longer ours when its outcome was reported: it runs, or ran, elsewhere too."""

    worker: str
    item: int
    queue: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSetAside:
    """A site's declaration is bad: its items wait, the other sites run on."""

    site: str
    reason: str
    queue: str = ""
    """Empty = all queues. Else the site does not have that queue, and its items there wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSite:
    """Items of a site that is not configured wait in the store. Sent once a minute per site."""

    worker: str
    site: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoHandler:
    """A queue in the store has items and no handler registered here. Sent once a minute per queue."""

    worker: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLost:
    """The store cannot be reached; the worker tries again with back-off."""

    worker: str
    error: str
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBack:
    """The store answers again."""

    worker: str
    after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenUnavailable:
    """The store does not deliver notifications (a transaction pooler, or `store.listen = false`): workers poll."""

    worker: str
    reason: str
    poll_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSlow:
    """An item runs far longer than the others of its queue. Sent once per handling, by the hub."""

    worker: str
    item: int
    queue: str
    site: str
    running_seconds: float
    usual_seconds: float
    """The 99th percentile of its queue's run times; 0 = too few have run to tell."""
    reason: str
    """Which limit it passed, in words."""
    stack: str
    """The Python stack of every thread of the worker, without values of variables; empty when it could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """A figure has passed its threshold (`[alarms]`)."""

    daemon: str
    name: str
    """lag, failures, respawns, fatal, stalled, no_handler, dead_letters, store, memory, canary, connection."""
    subject: str
    """What it is about: a queue, a worker, the daemon or the store."""
    value: float
    """The figure, in the unit of the threshold: seconds, a share (0 to 1), or a number per minute."""
    threshold: float
    message: str
    """One sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCleared:
    """The figure of an alarm is good again and has stayed so, or what the alarm was about is gone."""

    daemon: str
    name: str
    subject: str
    value: float
    """As in `AlarmRaised`, like `threshold`."""
    threshold: float
    lasted_seconds: float
    """How long it was raised."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStarted:
    """The hub, which gathers and tells telemetry, has begun. `respawns` counts the daemon's earlier hubs."""

    daemon: str
    pid: int
    listen: str
    """UDP address at which monitors subscribe, `HOST:PORT`; empty = nowhere."""
    respawns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HubExited:
    """The hub is gone; the work goes on, and a new hub is started unless the daemon stops."""

    daemon: str
    pid: int
    reason: str
    """In words, how it ended."""
    lived_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryProblem:
    """A part of telemetry cannot do its task; everything else goes on without it."""

    daemon: str
    what: str
    """The part, with its address or file: `UDP address 127.0.0.1:5480`, `statsd stats.example:8125`."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A queue, a site, or a queue of one site is paused, or its pause was changed, on whatever host. Sent by the hub of
    every daemon on the store.
    """

    daemon: str
    queue: str
    """Empty = every queue."""
    site: str
    """Empty = every site."""
    author: str
    reason: str
    until: float
    """Epoch seconds; 0 = until it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A pause is over. Sent by the hub of every daemon on the store."""

    daemon: str
    queue: str
    site: str
    author: str
    """Who resumed it; empty = its time was over."""
    paused_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersRetried:
    """Somebody asked the hub to move dead letters back into their queues. Sent when it is done, or was broken off."""

    daemon: str
    count: int
    author: str
    ids: tuple[int, ...] = ()
    """Which ones were named (the first hundred of them); empty = all of the queue and site."""
    queue: str = ""
    """Empty = every queue."""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersDiscarded:
    """Somebody asked the hub to delete dead letters; the fields are those of `DeadLettersRetried`."""

    daemon: str
    count: int
    author: str
    ids: tuple[int, ...] = ()
    queue: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersExpired:
    """Dead letters of a queue were deleted because they were older than `store.dead_letter_days`. Sent when all are
    gone, and every ten seconds while there are many.
    """

    worker: str
    queue: str
    count: int
    oldest: float
    """When the first of them died, in epoch seconds."""
    days: float
    """`store.dead_letter_days`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Somebody changed many items at once with `snqd dead` or `snqd items` on this host. It is also written down in the
    store, where `snqd dead audit` and `snqd items audit` read it.
    """

    daemon: str
    kind: str
    """retry, discard (of waiting items), replay, discard_dead."""
    number: int
    """Of what is written down."""
    author: str
    wanted: str
    """Which items, as `key=value`; `all` = every one."""
    count: int
    """Items that were changed."""
    stayed: int
    """Dead letters that could not be replayed, since an item with their unique key waits."""
    outcome: str
    """done, or what stopped it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRestartAsked:
    """Somebody asked for a worker to be replaced: it finishes what it runs, leaves, and another takes its place."""

    worker: str
    pid: int
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SitesUpdated:
    """Sites were added, changed, removed or mended, and every worker of the daemon goes by it. Sites that are set aside
    by the same change are told by `SiteSetAside`.
    """

    daemon: str
    author: str
    """Who asked for it, or what told of it: the folder, the store, the start."""
    added: int
    changed: int
    removed: int
    mended: int
    """Were set aside, and are served again."""
    set_aside: int
    sites: tuple[str, ...] = ()
    """Which ones (the first hundred of them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAsked:
    """Somebody asked the daemon to do something (`snqd ctl`), and it has obeyed or refused."""

    daemon: str
    ask: str
    """What: shutdown, restart, reload, update, threads."""
    arguments: str
    """As `key=value`, empty for none."""
    author: str
    obeyed: bool
    said: str
    """The answer."""
    all_hosts: bool = False
    """Whether every daemon on the store was asked, and not this one at its control socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFailed:
    """A service ended with an exception: a defect. Its worker goes on, and runs it again after `retry_seconds`."""

    worker: str
    service: str
    """`module.name`."""
    error: str
    retry_seconds: float
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionUp:
    """A service has reached the system that it speaks with."""

    worker: str
    service: str
    name: str
    """What the connection is to, such as a JID."""
    site: str
    """Empty = several sites use it."""
    after_seconds: float
    """Since it was lost, or since the worker began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDown:
    """A service cannot reach the system that it speaks with. Sent when that begins, and when the reason changes; it is
    tried again and again, with back-off, and what was to be sent waits.
    """

    worker: str
    service: str
    name: str
    site: str
    error: str
    """One line: what is wrong and what to do."""
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRefused:
    """What came in over a connection cannot be an item, and is dropped. Its sender is not told."""

    worker: str
    service: str
    name: str
    """The connection's, as in `ConnectionFact`."""
    site: str
    sender: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRan:
    """A schedule was due, and its item is stored. Those of many sites that are due together are one event."""

    worker: str
    schedule: str
    queue: str
    site: str
    """Empty = several."""
    sites: int
    items: int
    due: float
    """The due time, in epoch seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleMissed:
    """No daemon acted on due times of a schedule in time (`schedule.NAME.missed_after_seconds`)."""

    worker: str
    schedule: str
    queue: str
    site: str
    """Empty = several, which have missed the same."""
    sites: int
    times: int
    """Due times that were missed by each site; 1000 = as many or more."""
    first: float
    """The first of them, in epoch seconds."""
    last: float
    ran: bool
    """Whether an item is stored now, which makes up for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSkipped:
    """A schedule was due, and there is no item for it: the one before still waits or runs, or it cannot be made."""

    worker: str
    schedule: str
    queue: str
    site: str
    """Empty = several."""
    sites: int
    items: int
    """How many there are not."""
    due: float
    """The due time, in epoch seconds."""
    reason: str


Event = (
    DaemonStarted | DaemonStopping | DaemonStopped | Reloading | ReloadFailed | ReloadFinished | WorkerCountChanged
    | WorkerSpawned | WorkerReady | WorkerCrashed | WorkerExited | WorkerRespawning | SlotFatal | WorkerKilled
    | WorkerStandsBy | WorkerOnDuty | MemoryRestart | WorkerUsage | WorkerDump
    | ItemFailed | ItemRetried | ItemDeadLettered | ItemDiscarded | ItemCrashed
    | ItemsReleased | ItemsReclaimed | ItemLeaseLost
    | SiteSetAside | UnknownSite | NoHandler | StoreLost | StoreBack | ListenUnavailable
    | ItemSlow | AlarmRaised | AlarmCleared | HubStarted | HubExited | TelemetryProblem
    | Paused | Resumed | DeadLettersRetried | DeadLettersDiscarded | DeadLettersExpired | Corrected
    | WorkerRestartAsked
    | SitesUpdated | ControlAsked
    | ServiceFailed | ConnectionUp | ConnectionDown | InputRefused
    | ScheduleRan | ScheduleMissed | ScheduleSkipped
)  # fmt: skip

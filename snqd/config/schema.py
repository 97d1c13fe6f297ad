"""The settings: one named tuple per section of the TOML file.

The docstring under a field is its entry in `docs/configuration.md`, which is generated from here.
Durations are in seconds and say so in their name.

Named tuples and not dataclasses, whose classes take eight times as long to make: every command reads its
configuration, and a health check that comes every few seconds does little else. For the same reason annotations are
left to be types here, and not texts that `settings.py` would have to evaluate.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Settings = Mapping[str, Any]
"""Free-form values of the application: snqd carries them to the handlers and does not look inside."""


class DaemonConfig(NamedTuple):
    """`[daemon]`: the supervisor and its workers."""

    name: str = "main"
    """Name of the daemon; worker ids are `<name>.<slot>`, e.g. `main.3`."""
    serve: tuple[str, ...] = ("main",)
    """Groups of queues that this daemon serves. A handler is in group `main` unless it says otherwise."""
    single_groups: tuple[str, ...] = ("xmpp",)
    """Groups that have exactly one worker, because what it keeps open must not be there twice. They share one, which
    is there beside the `threads` of the other groups. Where several daemons on one store serve such a group, the worker
    of one does, and those of the others stand by.
    """
    takeover_seconds: float = 30.0
    """A worker that stands by takes over when the one that serves the group has not been heard of for this long. One
    that cannot reach the store stops serving after two thirds of this time.
    """
    threads: int | None = None
    """Number of workers; unset = one per CPU. 0 = one worker, still supervised. (The name is the original's.)"""
    runtime_dir: str | None = None
    """Folder for the pidfile and the worker board; unset = `$RUNTIME_DIRECTORY`, else `$XDG_RUNTIME_DIR/snqd`, else a
    private folder in `$TMPDIR` or `/tmp`.
    """
    pidfile: str | None = None
    """Path of the pidfile; unset = `<runtime_dir>/<name>.pid`."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Form of the log on standard error; `auto` = text on a terminal, JSON lines otherwise."""
    log_file: str | None = None
    """File that receives the log of a detached daemon."""
    user: str | None = None
    """Run the workers and the supervisor as this user (needs root at start)."""
    group: str | None = None
    """Run as this group; unset = the primary group of `user`."""
    grace_seconds: float = 30.0
    """On TERM, INT and worker replacement: time for running items to end before they are released."""
    memory_soft_limit: str = "90%"
    """Restart a worker between items when its resident memory passes this: percentage of the cgroup's or machine's
    memory divided among the workers, or absolute (`300M`, `1G`); `none` = no limit.
    """
    debug_memory: bool = False
    """Log resident memory after every batch."""
    max_items: int = 0
    """Replace a worker after this many items; 0 = never."""
    max_age_seconds: float = 0.0
    """Replace a worker after this time; 0 = never."""
    respawn_delay_seconds: float = 0.1
    """First delay before a worker that crashed is respawned after the free first respawn; doubles with every quick
    death.
    """
    respawn_limit: int = 8
    """Quick deaths in a row (each within `respawn_window_seconds` of its start) after which a slot is `fatal`."""
    respawn_window_seconds: float = 10.0
    """A worker that lives longer than this has recovered: the count of quick deaths starts again."""
    crash_limit: int = 3
    """An item that was running at this many worker deaths is dead-lettered as a poison item."""
    reload_on_change: bool = False
    """Read the configuration again when its file has changed, as HUP does (needs `telemetry.enabled`). A wrong one
    changes nothing.
    """
    watchdog_seconds: float = 60.0
    """Kill a worker whose loop has not beaten for this long while no item is running in it, and a hub likewise."""


class StoreConfig(NamedTuple):
    """`[store]`: where the items are."""

    url: str = "sqlite:///snqd.db"
    """`sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user@host/db` (any libpq form), `memory://`, or
    `stomp://user:password@host:61613,other:61613/name` (see [STOMP](stomp.md)).
    """
    lease_seconds: float = 60.0
    """How long a claim is held without renewal. Only matters when a whole host dies: dead workers are repaired at
    once.
    """
    poll_interval_seconds: float = 1.0
    """Longest time between two looks at the store when nothing wakes the worker; jittered by a quarter."""
    batch_limit: int = 256
    """Most items that one claim takes. The real number follows how fast the handlers are."""
    prefetch_seconds: float = 0.02
    """How many seconds of work a worker may hold that it has not started."""
    frame_limit_bytes: int = 1024 * 1024
    """Largest frame that can be enqueued."""
    sweep_seconds: float = 2.0
    """How often each worker looks for expired leases, dead claimants, and queues without a handler."""
    synchronous: Literal["full", "normal"] = "full"
    """SQLite: `full` survives power loss; `normal` may lose the last commits at power loss (never at a crash)."""
    listen: bool = True
    """PostgreSQL: wake by LISTEN/NOTIFY (one connection per host). Off, or behind a pooler, workers poll."""
    listen_url: str | None = None
    """PostgreSQL: where to LISTEN when `url` goes through a transaction pooler; unset = `url`."""
    vacuum_dead_rows: int = 400_000
    """PostgreSQL: vacuum the items' table when so many of its rows are dead (each item leaves two behind), if
    autovacuum has not come before. Only if the daemon's role owns the table. 0 = leave it to autovacuum.
    """
    dead_letter_days: float = 0.0
    """Delete dead letters after so many days, a few at a time; each deletion is told (`DeadLettersExpired`). 0 = keep
    them until somebody replays or discards them.
    """
    prefetch_items: int = 10
    """STOMP: how many items a broker hands to one worker ahead of their acks, from each destination. They wait there
    behind the one that runs: 1 for handlers that take long.
    """
    breakouts: tuple[str, ...] = ()
    """STOMP: queues, as `group/queue`, and sites of a queue, as `group/queue/site`, with a destination of their own.
    All other queues of a group share one.
    """


class TelemetryConfig(NamedTuple):
    """`[telemetry]`: how the daemon tells what it does. None of it can stop or slow the work."""

    enabled: bool = True
    """Run the hub, the process that gathers and tells everything below, and count what becomes of items for it. Off:
    nothing of it, only the log and `snqd status`.
    """
    listen: str = "auto"
    """UDP address at which monitors subscribe, `HOST:PORT`; `auto` = 127.0.0.1 and port 5480, or the next free one;
    `none` = nowhere. An address that others can reach needs a key.
    """
    monitors: tuple[str, ...] = ()
    """Receivers that get the whole telemetry without asking, as `udp://HOST:PORT`."""
    frames_per_second: float = 1.0
    """How often `monitors` are told what has changed. Subscribers choose for themselves."""
    key: str | None = None
    """Authenticates every datagram, in both directions, for those who have the same key. At least 16 characters."""
    key_file: str | None = None
    """File whose first line is the key; others than its owner and group must have no access to it. Not together with
    `key`.
    """
    statsd: str | None = None
    """`HOST:PORT` of a statsd server; needs the package `statsd` (`pip install 'snqd[statsd]'`)."""
    statsd_prefix: str = "snqd"
    """First part of every name there."""
    statsd_sites: bool = False
    """Also tell statsd the figures of each site: ten thousand sites are ten thousand names there."""
    ganglia: str | None = None
    """`HOST:PORT` of a Ganglia `gmond`, or of the multicast group that it listens to, such as `239.2.11.71:8649`."""
    ganglia_prefix: str = "snqd"
    """First part of every name there."""
    ganglia_limit: int = 1000
    """Most metrics there. First come those of the daemon; the places left are shared by sites and queues."""
    ganglia_spoof: str | None = None
    """Show the metrics there as those of a host of their own, `ADDRESS:NAME`, such as `10.0.0.7:queues`; unset =
    those of this host. Ganglia tells hosts apart by address, so no host that it knows may have this one.
    """
    legacy_listen: str | None = None
    """UDP address at which StatusNet 0.9 and GNU social daemons send their monitor pings, `HOST:PORT`. Nothing can
    authenticate a ping, so an address that others can reach needs `legacy_senders`.
    """
    legacy_http_listen: str | None = None
    """The same pings as HTTP POST, `HOST:PORT`; needs the package `h11` (`pip install 'snqd[legacy]'`)."""
    legacy_senders: tuple[str, ...] = ()
    """Addresses or networks whose pings are believed, such as `192.0.2.7` or `10.0.0.0/8`; the others are counted and
    dropped. Empty = everyone who can reach a loopback address.
    """
    record_file: str | None = None
    """Flight recorder: a file that keeps what was told, to be replayed later."""
    record_limit_bytes: int = 64 * 1024 * 1024
    """Most bytes that the recorder keeps; the oldest go first."""
    probe_seconds: float = 1.0
    """How often the store is asked for depth and lag; less often when it takes long to answer."""
    stacks: bool = True
    """Tell the Python stack of an item that runs unusually long, once (no values of variables, no payload)."""


class AlarmsConfig(NamedTuple):
    """`[alarms]`: when the daemon calls for help. 0 turns an alarm off."""

    lag_seconds: float = 300.0
    """Age of the oldest claimable item of a queue."""
    failure_ratio: float = 0.5
    """Share of handlings of a queue that failed, over five minutes and at least 20 handlings."""
    respawns_per_minute: float = 6.0
    """Workers that died and were replaced, over the whole daemon."""
    stalled_seconds: float = 30.0
    """Items are claimable and a worker that serves them is idle, yet nothing is claimed for this long."""
    no_handler_seconds: float = 60.0
    """Items wait in a queue for which no handler is registered."""
    dead_letters_per_minute: float = 1.0
    """New dead letters of a queue."""
    store_seconds: float = 5.0
    """The store does not answer."""
    memory_seconds: float = 600.0
    """A worker reaches its soft memory limit within this time, if it grows on as it does."""
    canary_seconds: float = 60.0
    """A canary has not come back (`queue.NAME.canary_seconds` sends them)."""
    connection_seconds: float = 60.0
    """A connection of a service, such as one of `[xmpp]`, is not there."""
    schedule_seconds: float = 300.0
    """A due time of a schedule has come, and no daemon on the store has acted on it for this long."""
    clear_share: float = 0.8
    """An alarm is cleared when its figure is below this share of the threshold."""
    hold_seconds: float = 10.0
    """An alarm stays raised at least this long, and a figure that was good must stay good for it to be cleared."""
    exec: str | None = None
    """Program run for each alarm that is raised or cleared, with its fields as `SNQD_ALARM_…` in the environment. Its
    arguments may follow, quoted as in a shell; no shell is started.
    """
    xmpp: tuple[str, ...] = ()
    """JIDs that are told each alarm that is raised or cleared, through the queue `xmppout`: some daemon on this store
    must serve it (`[xmpp]`).
    """
    xmpp_site: str = "default"
    """The site whose XMPP connection tells them."""
    xmpp_per_minute: float = 6.0
    """Most messages a minute to each of them; alarms that come more often share one."""


class SnmpConfig(NamedTuple):
    """`[snmp]`: an SNMP agent, for pollers and for receivers of notifications. It runs when there is a community, a
    user or a target; needs the packages `pysnmp` and `cryptography` (`pip install 'snqd[snmp]'`), and
    `telemetry.enabled`.
    """

    listen: str = "127.0.0.1:1161"
    """UDP address of the agent, `HOST:PORT`. At one that others can reach it needs `networks` if there is a
    community.
    """
    community: str | None = None
    """Who says this word may read, with SNMP v1 and v2c. Unset = neither is answered."""
    community_file: str | None = None
    """File whose first line is the community; others than its owner and group must have no access to it."""
    networks: tuple[str, ...] = ()
    """Addresses or networks that are answered, such as `192.0.2.7` or `10.0.0.0/8`. Empty = all that can reach it."""
    requests_per_second: int = 5000
    """Requests that one address may send; all together may send four times as many. Those that take long to decode
    count ten times. 0 = no limit.
    """
    name: str | None = None
    """sysName; unset = the name of the host."""
    contact: str = ""
    """sysContact: who is responsible."""
    location: str = ""
    """sysLocation: where the host is."""
    site_rows: int = 1000
    """Most rows of the table of sites; of more sites those are told that need attention most."""
    queue_site_rows: int = 0
    """Most rows of the table of queue and site; 0 = none. Ten queues of ten thousand sites would be a hundred thousand
    rows of 19 values.
    """
    notifications_per_minute: int = 60
    """Most notifications in any minute; of one kind at most a quarter of them. What is more is held back and counted;
    alarms wait until there is room.
    """
    state_dir: str | None = None
    """Folder that keeps the engine id and the number of its starts, which SNMP v3 needs, and what has been notified;
    unset = `$STATE_DIRECTORY`, which systemd sets, or the runtime folder.
    """


class SnmpUserConfig(NamedTuple):
    """`[snmp.user.NAME]`: a user of SNMP v3, who may read. NAME has at most 32 bytes; pass phrases have at least 8. In
    the variables NAME is in capitals, with `_` for what is no letter and no digit; the table has to be in the file.
    """

    reads: bool = True
    """Whether the user may read. `false` = the user is there for targets only."""
    auth: Literal["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"] = "SHA-256"
    """Hash that authenticates the user's messages."""
    auth_passphrase: str | None = None
    """Pass phrase for it."""
    auth_passphrase_file: str | None = None
    """File whose first line is that pass phrase; others than its owner and group must have no access to it."""
    privacy: Literal["AES-128", "AES-192", "AES-256", "none"] = "AES-128"
    """Cipher of the user's messages; a user who has one cannot do without. `none` = they can be read on their way."""
    privacy_passphrase: str | None = None
    """Pass phrase for it."""
    privacy_passphrase_file: str | None = None
    """File whose first line is that pass phrase."""


class SnmpTargetConfig(NamedTuple):
    """`[snmp.target.NAME]`: a receiver of notifications, as traps or informs, of v2c with a community or of v3 with a
    user. NAME has at most 32 bytes; in the variables it is written as that of a user is.
    """

    address: str | None = None
    """UDP address of the receiver, `HOST:PORT`; 162 is the usual port."""
    community: str | None = None
    """Send with v2c and this word."""
    community_file: str | None = None
    """File whose first line is the community; others than its owner and group must have no access to it."""
    user: str | None = None
    """Send with v3, as the user of this name in `[snmp.user.NAME]`."""
    inform: bool = False
    """Send informs, which the receiver acknowledges and which are sent again until it does, in place of traps."""
    timeout_seconds: float = 3.0
    """Wait so long for the answer to an inform; after each further try twice as long as before, at most a minute."""
    retries: int = 5
    """Further tries of an inform; then it is given up, which is counted."""
    notifications: tuple[str, ...] = ()
    """Which kinds: `cold_start`, `warm_start`, `worker_exited`, `worker_respawned`, `slot_fatal`, `poison_item`,
    `dead_letter`, `alarm_raised`, `alarm_cleared`, `suppression`. Empty = all.
    """


class XmppConfig(NamedTuple):
    """`[xmpp]`: messages and presence through one connection per site. A site overrides each of these in a table of its
    own, `[site.NAME.xmpp]`; a daemon that serves the group `xmpp` has the connections, and needs the package `slixmpp`
    (`pip install 'snqd[xmpp]'`).
    """

    enabled: bool = False
    """Whether there is a connection."""
    jid: str | None = None
    """Address of the site: the account, `update@example.net`. With `component`, an address in the component's domain,
    `news@updates.example.net`, or the domain itself; sites that share a domain share its connection.
    """
    password: str | None = None
    """Password of the account, or secret of the component."""
    password_file: str | None = None
    """File whose first line is that; others than its owner and group must have no access to it."""
    component: bool = False
    """Connect as a component (XEP-0114) in the place of an account. Such a connection is not encrypted: have the server
    on this host, or a network between that is trusted.
    """
    host: str | None = None
    """Host to connect to; unset = where the domain of `jid` says (DNS SRV, then the domain itself). A component needs
    it.
    """
    port: int = 0
    """Port there; 0 = 5222, or 5347 with `component`."""
    encryption: bool = True
    """An account's connection begins with STARTTLS, the certificate is checked, and without it there is none."""
    ca_file: str | None = None
    """File with the certificates (PEM) of the authorities that are trusted; unset = those of the system."""
    resource: str = "snqd"
    """Resource of the account's connection. Two with the same one push each other out."""
    status: str = ""
    """What presence says, such as `Send me a message to post a notice`."""
    priority: int = 100
    """Priority of the presence: messages to the bare address go to the highest."""
    accept_subscriptions: bool = False
    """Let everybody who asks see the site's presence."""
    receive: bool = True
    """Queue messages and presence that come in (queue `xmppin`)."""
    ping_seconds: float = 60.0
    """Ask the server whether it is there after so long without a word from it."""
    ping_timeout_seconds: float = 20.0
    """When the server has not answered for so long, neither a ping nor that it has what was sent, the connection is
    given up and made anew.
    """
    stanza_limit_bytes: int = 256 * 1024
    """Largest stanza that is sent. A server ends the connection for a larger one than it takes; both Prosody and
    ejabberd take this much unless told otherwise.
    """


class HandlersConfig(NamedTuple):
    """`[handlers]`: where handlers come from."""

    modules: tuple[str, ...] = ()
    """Python modules whose handlers are registered."""
    entry_points: bool = True
    """Also register handlers of installed packages (entry point group `snqd.handlers`)."""


class QueueConfig(NamedTuple):
    """`[queue.NAME]`: overrides what the handler of that queue declares. Unset = the handler's own."""

    group: str | None = None
    """Group whose daemons serve the queue."""
    max_attempts: int | None = None
    """Handlings before an item is dead-lettered."""
    time_limit_seconds: float | None = None
    """Longest time that one handling may take; 0 = no limit."""
    concurrency: int | None = None
    """Items of this queue that one worker handles at the same time."""
    retry_first_seconds: float | None = None
    """Delay before the second attempt."""
    retry_factor: float | None = None
    """Each further delay is this many times longer."""
    retry_limit_seconds: float | None = None
    """Longest delay between attempts."""
    lag_alarm_seconds: float | None = None
    """In place of `alarms.lag_seconds`."""
    failure_ratio_alarm: float | None = None
    """In place of `alarms.failure_ratio`."""
    in_flight_limit: int | None = None
    """Most items of the queue that are in flight (claimed) at the same time, over all daemons on the store; unset or
    0 = no limit. See [fairness](fairness.md).
    """
    rate_per_second: float | None = None
    """Most items of the queue that are begun in a second, over all daemons on the store; `0.1` is six a minute. Unset
    or 0 = no limit.
    """
    site_in_flight_limit: int | None = None
    """`in_flight_limit` of each site in this queue."""
    site_rate_per_second: float | None = None
    """`rate_per_second` of each site in this queue."""
    canary_seconds: float | None = None
    """Send a no-op item through the queue this often, as proof that it is worked; unset or 0 = none."""


class ScheduleConfig(NamedTuple):
    """`[schedule.NAME]`: an item for a queue at certain times, once over all hosts. A site has its own as
    `[snqd.schedule.NAME]` in its settings. See [schedules](schedules.md).
    """

    queue: str | None = None
    """Queue of the item. Needed."""
    cron: str | None = None
    """When: minute, hour, day of the month, month, day of the week, as in `30 2 * * *`; seconds may stand in front. Or
    `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Needed.
    """
    zone: str = "UTC"
    """Time zone of `cron`, such as `Europe/Berlin`."""
    site: str = "default"
    """Site of the item; `*` = one for each site that has the queue."""
    payload: Mapping[str, Any] = MappingProxyType({})
    """Payload of the item; `schedule` (the name) and `due` (the time, in ISO 8601) are added."""
    priority: int = 0
    """Priority of the item; lower is sooner."""
    missed: Literal["once", "skip"] = "once"
    """When no daemon was there in time: `once` = one item for all times that were missed, `skip` = none."""
    missed_after_seconds: float = 60.0
    """A time is missed when no daemon has acted on it for so long."""
    overlap: Literal["allow", "skip"] = "allow"
    """When the item before still waits or runs: `skip` = no further one."""
    enabled: bool = True
    """`false` = there is no such schedule; in a site's settings, that the one for all sites is not for this one."""


class SitesConfig(NamedTuple):
    """`[sites]`: where sites (tenants) come from, besides `[site.NAME]` tables. See [sites](sites.md)."""

    directory: str | None = None
    """Folder with one `NAME.toml` per site; each holds the site's settings. Relative to the configuration file."""
    watch: bool = True
    """Go by a file that is added, changed or removed there at once (Linux). Off: `snqd ctl update` or HUP says when."""
    table: bool = False
    """Sites are the rows of the table `site` in the store, too. A change there holds on all hosts within a moment."""
    in_flight_limit: int = 0
    """Most items of each site, over all queues, that are in flight at the same time, over all daemons on the store; 0 =
    no limit. A site may have one of its own. See [fairness](fairness.md).
    """
    rate_per_second: float = 0.0
    """Most items of each site, over all queues, that are begun in a second; 0 = no limit."""


class Config(NamedTuple):
    """The whole configuration. `site` maps a site's name to its settings, which override `settings`.

    No site declared anywhere = exactly one site, `default`.
    """

    daemon: DaemonConfig = DaemonConfig()
    store: StoreConfig = StoreConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    snmp: SnmpConfig = SnmpConfig()
    snmp_user: Mapping[str, SnmpUserConfig] = MappingProxyType({})
    snmp_target: Mapping[str, SnmpTargetConfig] = MappingProxyType({})
    xmpp: XmppConfig = XmppConfig()
    handlers: HandlersConfig = HandlersConfig()
    queue: Mapping[str, QueueConfig] = MappingProxyType({})
    schedule: Mapping[str, ScheduleConfig] = MappingProxyType({})
    sites: SitesConfig = SitesConfig()
    site: Mapping[str, Settings] = MappingProxyType({})
    settings: Settings = MappingProxyType({})

"""Wiring: the one module that names concrete classes, and puts a daemon together.

What is imported here at the top is light; drivers, handlers and asyncio are imported by the functions that need them,
in the process that needs them. The supervisor's process must stay free of all three.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from snqd.config.secrets import redact_url as redact
from snqd.config.xmpp import is_wanted as is_xmpp_wanted
from snqd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from snqd.config.catalogue import Catalogue, Declared
    from snqd.config.schema import Config, DaemonConfig, SnmpTargetConfig
    from snqd.config.snmp import UserAccess
    from snqd.exporters.sent import Sent
    from snqd.exporters.snmp.settings import TargetSettings
    from snqd.handlers.base import BoundHandler
    from snqd.hub.parts import Exporter, FedProgram, HubParts
    from snqd.items import ItemId, NewItem, QueueName
    from snqd.registry import QueueRegistry
    from snqd.stores.base import Store
    from snqd.stores.desk import Desk, SiteRow
    from snqd.stores.postgres.statusnet import Flow
    from snqd.supervisor.companion import HubSeat
    from snqd.telemetry.channels import Channels
    from snqd.telemetry.emitter import Emitter
    from snqd.telemetry.facts import ConnectionFact
    from snqd.telemetry.seat import WorkerSeat
    from snqd.worker.bell import Bell
    from snqd.worker.parts import Parts
    from snqd.worker.tenants import Tenants

__all__ = ["engine_of", "load_registry", "open_desk", "open_store", "redact", "sqlite_path"]

POSTGRES_SCHEMES = ("postgresql", "postgres")
STOMP_SCHEMES = ("stomp", "stomps")
_SITES_ONE_BY_ONE = 20
"""Of more sites than that, all are looked at in one go."""
_ALARM_PRIORITY = -100


class EnqueueEngine(Protocol):
    """What a store's `enqueue` module offers on somebody else's connection."""

    def enqueue(self, connection: Any, items: Sequence[NewItem], /) -> list[ItemId | None]: ...

    def enqueue_many(self, connection: Any, items: Iterable[NewItem], /) -> int: ...


def open_store(
    config: Config,
    *,
    claimant: str = "",
    group_of: Mapping[str, str] | None = None,
    serves: Sequence[QueueName] = (),
) -> Store:
    """The store that `store.url` names, not connected yet. Raises `ConfigError`; `StoreError` without its driver.

    `group_of`: the groups of queues that have a handler, where they are known; a broker's destinations go by them.
    `serves`: the queues whose items the caller will claim; a broker needs to be told.
    """
    url = config.store.url
    scheme = urlsplit(url).scheme if "://" in url else ""
    store: Store
    if scheme == "sqlite":
        from snqd.stores.sqlite.store import SqliteStore

        store = SqliteStore(config.store)
    elif scheme in POSTGRES_SCHEMES or (not scheme and "=" in url):
        from snqd.stores.postgres import open_postgres

        store = open_postgres(config.store)
    elif scheme in STOMP_SCHEMES:
        from snqd.stores.stomp import open_stomp

        groups = {queue: found.group for queue, found in config.queue.items() if found.group is not None}
        store = open_stomp(config.store, {**groups, **(group_of or {})}, serves)
    elif scheme == "memory":
        from snqd.stores.memory import MemoryStore

        store = MemoryStore(config.store)
    elif scheme == "inline":
        store = _open_inline(config)
    else:
        raise ConfigError(
            f"store.url {redact(url)!r} names no store: use sqlite:///file.db, postgresql://host/database, "
            "stomp://host/name, memory:// or inline://"
        )
    store.claimant = claimant
    return store


def _open_inline(config: Config) -> Store:
    """Items are handled by `enqueue` itself, with the handlers and sites of the configuration."""
    from snqd.stores.inline import InlineStore
    from snqd.stores.memory import MemoryStore
    from snqd.worker.inline import inline_runner

    store: InlineStore

    def enqueue(items: list[NewItem]) -> list[ItemId | None]:
        return store.enqueue(items)

    limit = config.store.frame_limit_bytes
    registry = load_registry(config)
    handlers = {queue: found for queue in registry.queues() if (found := registry.get(queue)) is not None}
    run = inline_runner(registry, load_tenants(config, handlers), enqueue, frame_limit_bytes=limit)
    store = InlineStore(run, MemoryStore(config.store))
    return store


def statusnet_importer(config: Config) -> Callable[..., list[Flow]]:
    """`carry_over` of the importer into this store. Raises `StoreError` where the store is not PostgreSQL."""
    if open_store(config).kind != "postgres":
        raise StoreError(
            "StatusNet's items can be imported into a PostgreSQL store only, and store.url is "
            f"{redact(config.store.url)}: give --store postgresql://host/database"
        )
    from snqd.stores.postgres.statusnet import carry_over

    return partial(carry_over, config.store)


def engine_of(connection: object) -> EnqueueEngine:
    """The enqueue functions for a driver's connection. Raises `StoreError` for one that is not known."""
    home = type(connection).__module__.partition(".")[0]
    if home == "sqlite3" or any(base.__module__.startswith("sqlite3") for base in type(connection).__mro__):
        from snqd.stores.sqlite import enqueue as sqlite

        return sqlite
    if home == "psycopg" or any(base.__module__.startswith("psycopg") for base in type(connection).__mro__):
        from snqd.stores.postgres import enqueue as postgres

        return postgres
    if type(connection).__module__ == "snqd.stores.stomp.transaction":
        from snqd.stores.stomp import transaction as stomp

        return stomp
    raise StoreError(
        f"cannot enqueue on a {type(connection).__module__}.{type(connection).__qualname__}: "
        "give a psycopg.Connection or a sqlite3.Connection"
    )


def load_registry(config: Config) -> QueueRegistry:
    """Import the handlers. Raises `HandlerError` or `ConfigError`."""
    from snqd.registry import load_registry as load

    import_from_working_directory()
    own = ("snqd.xmpp.service",) if is_xmpp_wanted(config) else ()
    return load(config.handlers, config.queue, own)


def open_desk(config: Config, *, name: str) -> Desk:
    """The desk of the store that `store.url` names. `name` shows in the database who has the connection."""
    url = config.store.url
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme == "sqlite":
        from snqd.stores.sqlite.desk import SqliteDesk

        return SqliteDesk(config.store)
    if scheme in POSTGRES_SCHEMES or (not scheme and "=" in url):
        open_store(config)  # its driver may be missing
        from snqd.stores.postgres.desk import PostgresDesk

        return PostgresDesk(config.store, name)
    if scheme in STOMP_SCHEMES:
        from snqd.stores.stomp import open_stomp_desk

        return open_stomp_desk(config.store)
    raise ConfigError(f"store.url is {redact(url)}: it lives in one process, which has nobody to ask")


def find_sites(config: Config, *, before: Catalogue | None = None, again: str | None = None) -> dict[str, Declared]:
    """Read every declared site, from files and from the store. See `read_catalogue`. Raises `SnqdError`."""
    from snqd.config.sites import read_catalogue

    rows: Sequence[SiteRow] = ()
    if config.sites.table:
        desk = open_desk(config, name=f"{config.daemon.name}.sites")
        try:
            rows = desk.sites()
        finally:
            desk.close()
    return read_catalogue(config, rows, before=before or {}, again=again)


def declared_names(config: Config) -> list[str]:
    """Names of all declared sites, without reading their files."""
    from snqd.config.sites import site_names

    names = site_names(config)
    if not config.sites.table:
        return names
    desk = open_desk(config, name="known sites")
    try:
        return [*names, *(row.name for row in desk.sites())]
    finally:
        desk.close()


def load_tenants(config: Config, handlers: Mapping[QueueName, BoundHandler]) -> Tenants:
    """The sites for a process that has no daemon's image."""
    from snqd.worker.tenants import InMemory, Tenants

    source = InMemory(find_sites(config))
    return Tenants(config, handlers, lambda: source)


def import_from_working_directory() -> None:
    """Find modules beside the configuration as `python -m` does. Called before a detached daemon leaves the folder."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def preload() -> None:
    """Import the worker's own modules before the fork: a respawn then costs less, and the pages are shared.

    No driver and no handler is among them.
    """
    import snqd.worker.worker  # noqa: F401


def sqlite_path(config: Config) -> Path | None:
    """The file of the SQLite store, None for other stores."""
    if not config.store.url.startswith("sqlite:"):
        return None
    from snqd.stores.sqlite.location import path_from_url

    return path_from_url(config.store.url)


def crew(config: DaemonConfig) -> DaemonConfig:
    """What the supervisor is told of the workers: groups with a single worker have theirs beside the others."""
    singles = [group for group in config.serve if group in config.single_groups]
    if not singles:
        return config
    from snqd.supervisor.slots import worker_count

    others = worker_count(config.threads) if len(singles) < len(config.serve) else 0
    return config._replace(threads=others + 1)


SINGLE_SLOT = 1
"""The slot whose worker serves the groups that have a single one. Two processes never are in one slot."""


def groups_of(config: DaemonConfig, slot: int) -> tuple[str, ...]:
    """The groups that the worker of a slot serves."""
    return duties_of(config, slot) or tuple(group for group in config.serve if group not in config.single_groups)


def duties_of(config: DaemonConfig, slot: int) -> tuple[str, ...]:
    """Those of them that no other worker may serve, here or on another host. A worker has only such groups, or none."""
    return tuple(sorted(set(config.serve) & set(config.single_groups))) if slot == SINGLE_SLOT else ()


def served(registry: QueueRegistry, config: Config) -> dict[QueueName, BoundHandler]:
    """The handlers of the groups that this daemon serves. Raises `ConfigError` when there is none."""
    handlers = {queue: found for group in config.daemon.serve for queue, found in registry.in_group(group).items()}
    if not handlers and not any(registry.services_in(group) for group in config.daemon.serve):
        groups = ", ".join(config.daemon.serve)
        known = f"only for queues {', '.join(registry.queues())} of other groups" if registry.queues() else "at all"
        raise ConfigError(
            f"no handler for group {groups}, {known}: name the modules with your handlers in handlers.modules, "
            "or with --module"
        )
    return handlers


def served_queues(config: Config) -> tuple[QueueName, ...]:
    """The queues that this daemon serves. Imports the handlers."""
    return tuple(served(load_registry(config), config))


def check(config: Config) -> None:
    """Try what a worker does when it starts. Raises the `SnqdError` that would end it."""
    served(load_registry(config), config)
    if config.store.url.startswith(("memory:", "inline:")):
        raise ConfigError(
            f"store.url is {config.store.url}: it lives in one process, so workers could not share it; "
            "use sqlite:///file.db"
        )
    if config.store.url.startswith(("stomp:", "stomps:")):
        _refuse_what_no_broker_keeps(config)
    store = open_store(config)
    try:
        store.connect()
    finally:
        store.close()


def _refuse_what_no_broker_keeps(config: Config) -> None:
    """Raises `ConfigError` for settings that would silently not hold."""
    tenants = load_tenants(config, {})
    instead = "or use a PostgreSQL or SQLite store"
    if tenants.schedules():
        raise ConfigError(
            "there are schedules, and a STOMP broker cannot keep how far they have come: enqueue from cron instead, "
            f"{instead}"
        )
    if tenants.limits():
        raise ConfigError(
            "there are limits of what is in flight or begun in a second, and a STOMP broker does not count that: "
            f"take them out (store.prefetch_items and daemon.threads bound what runs), {instead}"
        )
    if config.store.dead_letter_days:
        raise ConfigError(
            "store.dead_letter_days is set, and a STOMP broker does not sort dead letters by age: use 'snqd dead "
            f"discard --older-than', {instead}"
        )


def release_parked(config: Config, sites: Sequence[str] = ()) -> None:
    """Make items ready that wait because their site was unknown or set aside; with `sites` only theirs.

    Workers that do not know the site yet park them again.
    """
    from snqd.stores.base import ItemFilter, ItemState
    from snqd.worker.tenants import SET_ASIDE, UNKNOWN_SITE

    names: Sequence[str | None] = sites if 0 < len(sites) <= _SITES_ONE_BY_ONE else (None,)
    store = open_store(config)
    if not store.shows_items:
        return  # they come back by themselves
    store.connect()
    try:
        for name in names:
            for note in (UNKNOWN_SITE, SET_ASIDE):
                store.retry_now(ItemFilter(state=ItemState.SCHEDULED, error=note, site=name))
    finally:
        store.close()


def make_parts(
    config: Config, seat: WorkerSeat, bell: Bell, emitter: Emitter, channels: Channels, *, sites: Path
) -> Parts:
    """Everything that one worker process is made of. Call after the fork. `sites`: the image of the declared sites."""
    from snqd.telemetry.board import Word
    from snqd.telemetry.events import WorkerReady
    from snqd.telemetry.no_book import NoBook
    from snqd.worker.accounts import Accounts
    from snqd.worker.claims import Claims
    from snqd.worker.parts import Parts
    from snqd.worker.tenants import Tenants, image_source

    registry = load_registry(config)
    groups = groups_of(config.daemon, seat.slot)
    handlers = {queue: found for queue, found in served(registry, config).items() if found.options.group in groups}
    group_of: dict[str, str] = {queue: found.group for queue, found in registry.options().items()}
    store = open_store(config, group_of=group_of, serves=tuple(handlers))
    open_book = channels.ledger.writer if config.telemetry.enabled else NoBook
    book = open_book(seat.slot)
    born_ns = seat.view.get(Word.SPAWNED_NS)

    def on_ready() -> None:
        seat.view.set(Word.READY, 1)
        emitter.emit(
            WorkerReady(
                worker=seat.worker,
                pid=os.getpid(),
                queues=tuple(handlers),
                startup_seconds=round((time.monotonic_ns() - born_ns) / 1e9, 3),
            )
        )

    return Parts(
        worker=seat.worker,
        config=config,
        handlers=handlers,
        services=tuple(found for group in groups for found in registry.services_in(group)),
        duties=duties_of(config.daemon, seat.slot),
        known_queues=registry.queues(),
        sites=Tenants(config, handlers, image_source(sites, lambda: find_sites(config))),
        store=store,
        enqueue_on=_enqueue_on,
        board=seat.board,
        view=seat.view,
        ledger=channels.ledger,
        open_book=open_book,
        book=book,
        accounts=Claims() if isinstance(book, NoBook) else Accounts(book),
        stack_file=channels.stacks.for_slot(seat.slot),
        bell=bell,
        lifeline_fd=seat.lifeline_fd,
        memory_limit_bytes=seat.memory_limit_bytes,
        emit=emitter.emit,
        tell=channels.pipe.sink.tell if config.telemetry.enabled else _tell_nobody,
        on_ready=on_ready,
    )


def make_hub_parts(
    config: Config,
    seat: HubSeat,
    channels: Channels,
    emitter: Emitter,
    *,
    folder: Path,
    boot: int,
    sent: Sent,
    sites: Path,
    load_again: Callable[[], Config],
    config_path: Path | None,
    snmp_descriptor: int | None = None,
) -> HubParts:
    """Everything that the hub's process is made of. Call after the fork. Raises `ConfigError`.

    `folder` is the runtime folder, `boot` when the supervisor started (microseconds), `sent` what statsd was told by
    earlier hubs, `sites` the image of the sites, `load_again` reads the configuration (`config_path`) as a reload
    would, and `snmp_descriptor` is the socket of the SNMP agent (None: no agent).
    """
    from snqd import __version__
    from snqd.config.addresses import resolve_key
    from snqd.config.show import fingerprint
    from snqd.hub.parts import HubParts
    from snqd.stores.desk import Seat
    from snqd.supervisor.runtime import baseline_path, socket_path
    from snqd.telemetry.wire import key_of

    secret = resolve_key(config.telemetry)
    programs: tuple[FedProgram, ...] = ()
    if snmp_descriptor is not None:
        programs = (snmp_program(config, descriptor=snmp_descriptor, folder=folder, boot=boot),)
    store = open_store(config, claimant=f"{config.daemon.name}.hub")
    return HubParts(
        daemon=config.daemon.name,
        host=socket.gethostname(),
        boot=boot,
        supervisor_pid=os.getppid(),
        respawns=seat.respawns,
        version=__version__,
        config_hash=fingerprint(config),
        store=redact(config.store.url),
        store_kind=store.kind,
        config=config,
        key=key_of(secret) if secret is not None else None,
        board=seat.board,
        channels=channels,
        lifeline_fd=seat.lifeline_fd,
        socket_path=socket_path(config.daemon, folder),
        baseline_path=baseline_path(config.daemon, folder),
        sites_path=sites,
        seat=Seat(config.daemon.name, socket.gethostname(), str(folder)),
        find_sites=lambda before, again: find_sites(config, before=before, again=again),
        find_sites_of=lambda new, before: find_sites(new, before=before),
        release_parked=lambda names: release_parked(config, names),
        load_again=load_again,
        config_path=config_path,
        open_desk=lambda: open_desk(config, name=f"{config.daemon.name}.control"),
        open_probe=lambda: store.probe(),
        open_store=lambda: open_store(config, claimant=f"{config.daemon.name}.control"),
        send_canary=_CanaryPost(config).send,
        make_alarm_items=lambda text: _alarm_items(config, text),
        make_exporters=lambda: _make_exporters(config, sent),
        programs=programs,
        emit=emitter.emit,
    )


def snmp_program(config: Config, *, descriptor: int, folder: Path, boot: int = 0) -> FedProgram:
    """The SNMP agent, which is to listen on the socket of `descriptor`. Raises `ConfigError`.

    `boot`: when the supervisor started, microseconds.
    """
    from snqd import __version__
    from snqd.config.show import fingerprint
    from snqd.config.snmp import resolve_access
    from snqd.exporters.snmp.settings import AgentSettings, User, encode
    from snqd.hub.parts import FedProgram

    host, snmp, daemon = socket.gethostname(), config.snmp, config.daemon.name
    access = resolve_access(config)
    kept = snmp.state_dir or os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or folder
    settings = AgentSettings(
        daemon=daemon,
        description=f"snqd {__version__}, queue daemon {daemon}",
        name=snmp.name if snmp.name is not None else host,
        contact=snmp.contact,
        location=snmp.location,
        identity_file=str(Path(kept) / f"{daemon}.snmp"),
        community=access.community,
        networks=snmp.networks,
        users=tuple(User(*user) for user in access.users),
        requests_per_second=snmp.requests_per_second,
        site_rows=snmp.site_rows,
        queue_site_rows=snmp.queue_site_rows,
        targets=tuple(_snmp_target(name, config.snmp_target[name], found) for name, found in access.targets.items()),
        notifications_per_minute=snmp.notifications_per_minute,
        kept_file=str(Path(kept) / f"{daemon}.snmp-notified"),
        boot=boot,
        configuration=fingerprint(config),
    )
    return FedProgram(
        name=f"SNMP agent at udp {snmp.listen}",
        module="snqd.exporters.snmp",
        hello=encode(settings),
        descriptors=(descriptor,),
    )


def _snmp_target(name: str, config: SnmpTargetConfig, access: UserAccess | str) -> TargetSettings:
    from snqd.config.addresses import parse_address
    from snqd.exporters.snmp.settings import TargetSettings, User

    assert config.address is not None, "contradictions have been looked for"
    address = parse_address(config.address)
    return TargetSettings(
        name=name,
        host=address.host,
        port=address.port,
        community=access if isinstance(access, str) else None,
        user=None if isinstance(access, str) else User(*access),
        is_inform=config.inform,
        timeout_seconds=config.timeout_seconds,
        retries=config.retries,
        notifications=config.notifications,
    )


def _make_exporters(config: Config, sent: Sent) -> list[Exporter]:
    from snqd.exporters import open_ganglia, open_statsd

    found: tuple[Exporter | None, ...] = (open_statsd(config.telemetry, sent), open_ganglia(config.telemetry))
    return [exporter for exporter in found if exporter is not None]


def _alarm_items(config: Config, text: str) -> list[NewItem]:
    """One message to everybody of `alarms.xmpp`, in front of other stanzas."""
    from snqd.items import new_item
    from snqd.xmpp.stanzas import CODEC, QUEUE_OUT, message

    site, priority = config.alarms.xmpp_site, _ALARM_PRIORITY
    return [
        new_item(QUEUE_OUT, message(jid, text), codec=CODEC, site=site, priority=priority) for jid in config.alarms.xmpp
    ]


class _CanaryPost:
    """Stores canaries on a connection of its own, opened when the first one is sent."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store: Store | None = None

    def send(self, queue: str, number: int) -> int | None:
        """The item's id; None when an earlier canary of this daemon waits in the queue. Raises `StoreError`."""
        from snqd.items import canary_item

        if self._store is None:
            store = open_store(self._config, claimant=f"{self._config.daemon.name}.canary")
            store.connect()
            self._store = store
        key = f"canary of {self._config.daemon.name}@{socket.gethostname()}"
        try:
            (item,) = self._store.enqueue([canary_item(queue, number)._replace(unique_key=key)])
        except StoreError:
            self._store.close()
            self._store = None
            raise
        return item


def _tell_nobody(_facts: Sequence[ConnectionFact]) -> None: ...


def _enqueue_on(connection: object, items: Sequence[NewItem]) -> None:
    engine_of(connection).enqueue(connection, items)

"""What the hub's process is made of."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from snqd.config.secrets import redact_url as redact
from snqd.errors import StoreError
from snqd.wiring.sites import find_sites, release_parked
from snqd.wiring.snmp import snmp_program
from snqd.wiring.stores import open_desk, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqd.config.schema import Config
    from snqd.exporters.sent import Sent
    from snqd.hub.parts import Exporter, FedProgram, HubParts
    from snqd.items import NewItem
    from snqd.stores.base import Store
    from snqd.supervisor.companion import HubSeat
    from snqd.telemetry.channels import Channels
    from snqd.telemetry.emitter import Emitter

_ALARM_PRIORITY = -100


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

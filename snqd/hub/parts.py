"""What a hub is made of: handed over by wiring, shared by the hub's modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from snqd.config.catalogue import Catalogue
    from snqd.config.schema import Config
    from snqd.items import NewItem
    from snqd.stores.base import Store
    from snqd.stores.desk import Desk, Seat
    from snqd.stores.probe import Probe
    from snqd.telemetry.board import Board
    from snqd.telemetry.channels import Channels
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.events import Event


class Exporter(Protocol):
    """Tells another system how the daemon is. Nothing of it blocks or raises."""

    name: str
    """For a person: the system and its address."""

    @property
    def problem(self) -> str:
        """Why nothing, or not everything, is told at present; empty = it is."""

    def tick(self, view: DaemonView) -> None:
        """About once a second."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FedProgram:
    """A program of ours that runs beside the hub, in a process of its own, and is fed telemetry (`feeding.py`).

    It is started as `python -m <module> <feed> <descriptors>`. The feed is a sequenced-packet socket: the first packet
    is `hello`, all others are datagrams (`telemetry/wire.py`). What it says itself is a word each second, empty or a
    problem in one line.
    """

    name: str
    """For a person, with its address."""
    module: str
    hello: bytes
    """May hold secrets: it is in no argument and no variable."""
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubParts:
    """One hub process. Made after the fork; board and channels are shared with the workers."""

    daemon: str
    host: str
    boot: int
    """When the daemon booted, microseconds since the epoch: tells its lives apart."""
    supervisor_pid: int
    respawns: int
    """Hubs of this daemon before this one."""
    version: str
    config_hash: str
    store: str
    """The store's address without secrets."""
    store_kind: str
    config: Config
    key: bytes | None
    board: Board
    channels: Channels
    lifeline_fd: int
    socket_path: Path
    """Of the control socket."""
    baseline_path: Path
    """What waited when the daemon booted; outlives a hub."""
    sites_path: Path
    """Of the image of the sites."""
    seat: Seat
    """The daemon, as told from all others on the store."""
    find_sites: Callable[[Catalogue, str | None], Catalogue]
    """The sites as they are declared now, given those in force and a site to be read in any case. Blocks."""
    find_sites_of: Callable[[Config, Catalogue], Catalogue]
    """The same by another configuration."""
    release_parked: Callable[[Sequence[str]], None]
    """Have the items of these sites looked at again. Blocks."""
    load_again: Callable[[], Config]
    """The configuration as it would be read by a reload. Blocks on files; raises `ConfigError`."""
    config_path: Path | None
    """The file of the configuration; None when there is none."""
    open_desk: Callable[[], Desk]
    """The desk of the store, not connected yet. Used by the keeper's thread only."""
    open_probe: Callable[[], Probe]
    """A probe on a connection of its own; connects when first asked. Used by the probing thread only."""
    open_store: Callable[[], Store]
    """A store, not connected yet, in which the hub does what it is asked to. Used by one thread only."""
    send_canary: Callable[[str, int], int | None]
    """Store a canary of a number for a queue: its id, or None while an earlier one waits. For the probing thread."""
    make_alarm_items: Callable[[str], list[NewItem]]
    """The items of one message to everybody of `alarms.xmpp`."""
    make_exporters: Callable[[], list[Exporter]]
    programs: tuple[FedProgram, ...] = ()
    emit: Callable[[Event], None]

"""A daemon from its configuration to its exit code (its short-lived sister is in `drain.py`).

Start-up is tried in a child process first (*preflight*): handlers are imported, sites read and the store is reached
there, so that every mistake is told in one line before anything is forked for good, and the supervisor's own process
stays free of drivers and of the application's code.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snqd import __version__
from snqd.config.secrets import redact_url
from snqd.config.show import diff
from snqd.config.site_image import read_image
from snqd.config.sites import read_catalogue
from snqd.config.snmp import is_wanted as is_snmp_wanted
from snqd.config.startup import check_startup
from snqd.errors import ConfigError, SnqdError
from snqd.exporters.sent import Sent
from snqd.exporters.snmp.listening import Ports
from snqd.hub.site_update import START, update_sites
from snqd.supervisor.detach import Readiness
from snqd.supervisor.detach import detach as leave_terminal
from snqd.supervisor.pidfile import Pidfile
from snqd.supervisor.privileges import find_identity
from snqd.supervisor.runtime import baseline_path, board_path, pidfile_path, runtime_folder, sites_path, socket_path
from snqd.supervisor.slots import worker_count
from snqd.supervisor.spawning import fork_child
from snqd.supervisor.supervisor import Reloaded, Supervisor
from snqd.telemetry.board import SLOTS, Board
from snqd.telemetry.channels import Channels
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.events import WorkerCrashed
from snqd.telemetry.exits import WorkerExit
from snqd.telemetry.logs import LogSink, bridge_logging, choose_form
from snqd.wiring.crew import with_single_workers
from snqd.wiring.handlers import import_from_working_directory, preload
from snqd.wiring.hub import make_hub_parts
from snqd.wiring.sites import find_sites, release_parked
from snqd.wiring.start import try_start
from snqd.wiring.stores import sqlite_path
from snqd.wiring.worker import make_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.schema import Config
    from snqd.supervisor.companion import HubSeat, RunHub
    from snqd.supervisor.privileges import Identity
    from snqd.telemetry.seat import RunWorker, WorkerSeat
    from snqd.worker.bell import Bell
    from snqd.worker.errand import Errand
    from snqd.worker.parts import Parts

_MORE_STACK_FILES = 8


def run_daemon(config: Config, *, reload: Callable[[], Config], path: Path | None = None, detach: bool = False) -> int:
    """Run until told to stop; the exit code. Raises `SnqdError` when it cannot start.

    `reload` reads the configuration again, `path` is its file.
    """
    import_from_working_directory()
    preload()
    identity = find_identity(config.daemon.user, config.daemon.group)
    if not detach:
        return _serve(config, reload, path, identity, None)
    readiness = leave_terminal(Path(config.daemon.log_file) if config.daemon.log_file else None)
    try:
        return _serve(config, reload, path, identity, readiness)
    except SnqdError as error:
        readiness.failed(f"error: {error}", error.exit_code)
        return error.exit_code


def _serve(
    config: Config,
    reload: Callable[[], Config],
    path: Path | None,
    identity: Identity | None,
    readiness: Readiness | None,
) -> int:
    if identity is not None:
        identity.take()  # before anything is opened or created
    with ExitStack() as stack:
        lock_store(config)
        folder = runtime_folder(config.daemon)
        pidfile = stack.enter_context(Pidfile.acquire(pidfile_path(config.daemon, folder)))
        sink = LogSink(choose_form(config.daemon.log_format))
        bridge_logging(sink)
        channels = Channels.create(slots=_stack_files(config))
        stack.callback(channels.close)
        emitter = Emitter(sink, channels.pipe.sink)
        ports = Ports()
        stack.callback(ports.keep_only, "")
        boot = time.time_ns() // 1000
        sites = sites_path(config.daemon, folder)
        for leftover in (sites, sites.with_name(f"{sites.name}.lock")):
            leftover.unlink(missing_ok=True)  # of a daemon that was killed
            stack.callback(leftover.unlink, missing_ok=True)
        crew = Makers(emitter, Emitter(sink), sink, channels, sites, ports)
        check_startup(config)
        preflight(config, emitter, sites)
        board_file = board_path(config.daemon, folder)
        board = Board.create(board_file, daemon=config.daemon.name)
        stack.callback(board_file.unlink, missing_ok=True)
        stack.callback(socket_path(config.daemon, folder).unlink, missing_ok=True)
        stack.callback(baseline_path(config.daemon, folder).unlink, missing_ok=True)
        current = [config]
        """The configuration that has proven itself."""
        hub = partial(crew.hub, folder=folder, boot=boot, sent=Sent(), load_again=reload, config_path=path)

        def close_ports() -> None:
            ports.keep_only(current[0].snmp.listen if is_snmp_wanted(current[0]) else "")

        def reloaded() -> Reloaded:
            new = reload()
            _refuse_what_needs_a_restart(current[0], new)
            check_startup(new)
            # Files only: the supervisor waits for this, and a store may take its time. The worker that comes asks it.
            in_child(lambda: read_catalogue(new, before=read_image(sites)))

            def adopt() -> None:
                current[0] = new
                _beside(lambda: _update_sites(new, sites, emitter, author="reload"), new, emitter)

            return Reloaded(
                config=with_single_workers(new.daemon),
                run_worker=crew.worker(new),
                janitor=crew.janitor(new),
                hub=hub(new),
                changes=diff(current[0], new),
                adopt=adopt,
                drop=close_ports,
            )

        def reload_is_done() -> None:
            close_ports()
            _beside(lambda: release_parked(current[0]), current[0], emitter)

        supervisor = Supervisor(
            config=with_single_workers(config.daemon),
            board=board,
            emitter=emitter,
            run_worker=crew.worker(config),
            reload=reloaded,
            janitor=crew.janitor(config),
            version=__version__,
            store_shown=redact_url(config.store.url),
            hub=hub(config),
            on_death=crew.bell.ring,
            on_ready=readiness.ready if readiness is not None else _nothing,
            on_reloaded=reload_is_done,
            private_fds=(pidfile.fd,),
        )
        code = supervisor.run()
        if supervisor.failure and readiness is not None:
            readiness.failed(supervisor.failure, code)
        return code


class Makers:
    """Makes the functions that run in forked children. `log` is the emitter of those that tell no hub."""

    def __init__(
        self,
        emitter: Emitter,
        log: Emitter,
        sink: LogSink | None,
        channels: Channels,
        sites: Path,
        ports: Ports | None = None,
    ) -> None:
        """`sites`: the image of the sites; `ports`: of the SNMP agent, which only the hub has to do with."""
        from snqd.worker.bell import Bell

        self.bell: Bell = Bell()
        self._emitter = emitter
        self._log = log
        self._sink = sink
        self.channels = channels
        self._sites = sites
        self._ports = ports

    def worker(self, config: Config, errand: Callable[[], Errand] | None = None) -> RunWorker:
        """`errand` is asked in each worker when it begins."""

        def run(seat: WorkerSeat) -> int:
            from snqd.worker.worker import refuse, run_worker

            if self._sink is not None:
                self._sink.bind(worker=seat.worker)
            self.channels.enter(seat.slot)
            self._close_ports()
            try:
                parts = self._parts(config, seat)
            except SnqdError as error:
                return refuse(seat.view, str(error))
            return run_worker(replace(parts, errand=errand() if errand is not None else None))

        return run

    def _parts(self, config: Config, seat: WorkerSeat) -> Parts:
        return make_parts(config, seat, self.bell, self._emitter_for(config), self.channels, sites=self._sites)

    def hub(
        self,
        config: Config,
        *,
        folder: Path,
        boot: int,
        sent: Sent,
        load_again: Callable[[], Config],
        config_path: Path | None,
    ) -> RunHub | None:
        """None when there is to be none. Raises `ConfigError` when the SNMP agent's port cannot be had."""
        if not config.telemetry.enabled:
            return None
        snmp_descriptor = None
        if is_snmp_wanted(config) and self._ports is not None:
            snmp_descriptor = self._ports.open(config.snmp.listen)

        def run(seat: HubSeat) -> int:
            from snqd.hub.hub import run_hub

            if self._sink is not None:
                self._sink.bind(worker=f"{config.daemon.name}.hub")
            return run_hub(
                make_hub_parts(
                    config,
                    seat,
                    self.channels,
                    self._emitter,
                    folder=folder,
                    boot=boot,
                    sent=sent,
                    sites=self._sites,
                    load_again=load_again,
                    config_path=config_path,
                    snmp_descriptor=snmp_descriptor,
                )
            )

        return run

    def _close_ports(self) -> None:
        """In a worker: a port must not outlive the daemon because a handler takes its time."""
        if self._ports is not None:
            self._ports.keep_only("")

    def janitor(self, config: Config) -> RunWorker:
        def run(seat: WorkerSeat) -> int:
            from snqd.worker.care import repair_all

            # What it counts goes to a slot that no worker has: its seat is that of a dead one.
            seat = replace(seat, slot=SLOTS - 1, view=seat.board.slot(SLOTS - 1))
            self.channels.enter(seat.slot)
            parts = self._parts(config, seat)
            parts.store.connect()
            repair_all(parts)
            parts.store.close()
            return WorkerExit.OK

        return run

    def _emitter_for(self, config: Config) -> Emitter:
        return self._emitter if config.telemetry.enabled else self._log


def _stack_files(config: Config) -> int:
    """For how many slots: twice the workers and some, since TTIN and reloads open more. Each is a descriptor."""
    return min(SLOTS - 1, 2 * worker_count(config.daemon.threads) + _MORE_STACK_FILES)


def lock_store(config: Config) -> None:
    """Keep a second daemon away from a SQLite file. The descriptor stays open, here and in every child."""
    path = sqlite_path(config)
    if path is not None:
        from snqd.stores.sqlite.location import lock_for_daemon

        lock_for_daemon(path)


def preflight(config: Config, emitter: Emitter, sites: Path) -> None:
    """Try everything that a worker needs, and write the image of the sites. Raises the `SnqdError` that was met."""

    def look() -> None:
        try_start(config)
        _update_sites(config, sites, emitter, author=START)

    in_child(look)


def _update_sites(config: Config, sites: Path, emitter: Emitter, *, author: str) -> None:
    update_sites(
        sites,
        lambda before: find_sites(config, before=before),
        emitter.emit,
        daemon=config.daemon.name,
        author=author,
    )


def in_child(look: Callable[[], object]) -> None:
    """Call `look` in a child: what it imports and opens does not stay. Raises the `SnqdError` that it raises."""
    read_fd, write_fd = os.pipe()

    def body() -> int:
        os.close(read_fd)
        try:
            look()
        except SnqdError as error:
            os.write(write_fd, f"{error.exit_code} {error}".encode(errors="replace"))
        return 0

    def failed(error: BaseException) -> None:
        os.write(write_fd, f"1 {type(error).__name__}: {error}".encode(errors="replace"))

    pid = fork_child(body, on_error=failed)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    os.waitpid(pid, 0)
    if said:
        code, _, message = said.partition(" ")
        error = ConfigError(message)
        error.exit_code = int(code)
        raise error


def _beside(act: Callable[[], object], config: Config, emitter: Emitter) -> None:
    """Call `act` in a child that nobody waits for."""

    def body() -> int:
        signal.alarm(10)  # it has the supervisor's end of the lifeline, and must not keep that for long
        act()
        return 0

    def failed(error: BaseException) -> None:
        emitter.emit(
            WorkerCrashed(worker=config.daemon.name, pid=os.getpid(), error=f"{type(error).__name__}: {error}")
        )

    fork_child(body, on_error=failed)  # the supervisor reaps it


def _refuse_what_needs_a_restart(old: Config, new: Config) -> None:
    if old.store.url != new.store.url:
        raise ConfigError("store.url has changed: restart the daemon to serve another store")
    if old.daemon.name != new.daemon.name:
        raise ConfigError("daemon.name has changed: restart the daemon to give it another name")


def _nothing() -> None: ...

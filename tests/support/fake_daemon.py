"""A real supervisor with a tiny worker, for tests of processes: `python -m tests.support.fake_daemon FOLDER`.

FOLDER holds `daemon.json` (settings of `DaemonConfig`; read again at HUP) and `behaviour.json` (what the worker of each
slot does, `"*"` for the others; read at every spawn). Every event goes to standard error as a JSON line.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd.config.schema import DaemonConfig
from snqd.errors import ConfigError, SnqdError
from snqd.supervisor.detach import detach
from snqd.supervisor.pidfile import Pidfile
from snqd.supervisor.privileges import find_identity
from snqd.supervisor.supervisor import Reloaded, Supervisor
from snqd.telemetry.board import Board, SlotView, Word
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.events import Event, HubStarted, ItemsReclaimed, WorkerReady, WorkerSpawned
from snqd.telemetry.exits import WorkerExit
from snqd.telemetry.logs import LogSink

if TYPE_CHECKING:
    from snqd.supervisor.companion import HubSeat, RunHub
    from snqd.telemetry.seat import WorkerSeat


_PR_SET_CHILD_SUBREAPER = 36


class FakeWorker:
    """Beats, obeys TERM, watches the lifeline, and does what its behaviour says (see `_begin` and `_leave`)."""

    def __init__(self, seat: WorkerSeat, emitter: Emitter, folder: Path, label: str) -> None:
        self.seat, self.view, self.emitter, self.label = seat, seat.view, emitter, label
        behaviours = json.loads((folder / "behaviour.json").read_text())
        self.does: dict[str, Any] = behaviours.get(str(seat.slot), behaviours.get("*", {}))
        self.is_draining = False

    def run(self) -> int:
        self._die_early()
        time.sleep(self.does.get("start_seconds", 0.0))
        give_back(self.seat, self.emitter, self.seat.worker)
        self.view.clear()
        signal.signal(signal.SIGTERM, lambda *_: self._drain())
        faulthandler.register(signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self.view.claimant = f"claimant-{os.getpid()}" if self.does.get("claims") else ""
        self.view.set(Word.BEAT_NS, time.monotonic_ns())
        self.view.set(Word.RSS_BYTES, self.does.get("rss", 0))
        self.view.set(Word.READY, 1)
        self._tell(WorkerReady(worker=self.seat.worker, pid=os.getpid(), queues=(self.label,), startup_seconds=0.0))
        self._begin()
        return self._loop()

    def _die_early(self) -> None:
        if "raise" in self.does:
            raise RuntimeError(self.does["raise"])
        if "boot_failed" in self.does:
            self.view.exit_reason = self.does["boot_failed"]
            os._exit(WorkerExit.BOOT_FAILED)
        if "exit_at_start" in self.does:
            os._exit(self.does["exit_at_start"])

    def _begin(self) -> None:
        if "run_item" in self.does:
            seconds = self.does.get("limit")
            deadline = time.monotonic_ns() + int(seconds * 1e9) if seconds else 0
            self.view.begin(0, self.does["run_item"], "mail", "alpha.example", deadline)
        if "orphan_seconds" in self.does and os.fork() == 0:
            time.sleep(self.does["orphan_seconds"])  # its parent is gone by then
            os._exit(0)
        if "handled" in self.does:
            self.view.set(Word.HANDLED, self.does["handled"])
        if "exit" in self.does:
            self.view.exit_reason = self.does.get("reason", "")
            os._exit(self.does["exit"])
        if self.does.get("segfault"):
            ctypes.string_at(0)

    def _loop(self) -> int:
        poll = select.poll()
        poll.register(self.seat.lifeline_fd, select.POLLHUP)
        while not self.is_draining or self.does.get("ignores_term"):
            if not self.does.get("stuck"):
                self.view.set(Word.BEAT_NS, time.monotonic_ns())
            if poll.poll(20):
                return WorkerExit.OK
        return self._leave()

    def _leave(self) -> int:
        time.sleep(self.does.get("drain_seconds", 0.0))
        self.view.end(0)
        self.view.claimant = ""
        return WorkerExit.SHUTDOWN

    def _drain(self) -> None:
        self.is_draining = True

    def _tell(self, event: Event) -> None:
        self.emitter.emit(event)


class FakeHub:
    """Beats until TERM or the end of the supervisor; `behaviour.json` says under `hub` what it does wrong."""

    def __init__(self, seat: HubSeat, emitter: Emitter, folder: Path) -> None:
        self.seat, self.emitter = seat, emitter
        self.does: dict[str, Any] = json.loads((folder / "behaviour.json").read_text())["hub"]
        self.is_leaving = False

    def run(self) -> int:
        if "raise" in self.does:
            raise RuntimeError(self.does["raise"])
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self.emitter.emit(HubStarted(daemon="main", pid=os.getpid(), listen="", respawns=self.seat.respawns))
        view = self.seat.board.slot(0)
        poll = select.poll()
        poll.register(self.seat.lifeline_fd, select.POLLHUP)
        while not self.is_leaving or self.does.get("ignores_term"):
            if not self.does.get("stuck"):
                view.set(Word.BEAT_NS, time.monotonic_ns())
            if poll.poll(20):
                return WorkerExit.OK
        sys.stderr.write('{"event": "Left"}\n')
        return WorkerExit.SHUTDOWN

    def _leave(self) -> None:
        self.is_leaving = True


def give_back(seat: WorkerSeat, emitter: Emitter, by: str) -> None:
    """What the real worker does in the store: tell whose claims were given back, and for what reason."""
    dead = [seat.view] if by != "janitor" else seat.board.used()
    for view in dead:
        if view.get(Word.UNREPAIRED):
            emitter.emit(
                ItemsReclaimed(worker=by, count=len(view.running()), claimant=view.claimant, reason=_words(view))
            )
            view.set(Word.UNREPAIRED, 0)


def _words(view: SlotView) -> str:
    return f"{view.get(Word.KILLED)}/{view.get(Word.KILLED_ITEM)}: {view.exit_reason}"


def _term_at_spawn(event: Event, /) -> None:
    """In the supervisor, in the instant in which it knows the child's pid."""
    if isinstance(event, WorkerSpawned):
        os.kill(event.pid, signal.SIGTERM)


class Daemon:
    """What wiring is for the real daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.emitter = Emitter(LogSink("json"))
        if (folder / "term-at-spawn").exists():
            self.emitter = Emitter(LogSink("json"), _term_at_spawn)

    def read(self) -> tuple[DaemonConfig, str]:
        try:
            settings = json.loads((self.folder / "daemon.json").read_text())
        except ValueError as error:
            raise ConfigError(f"daemon.json: {error}") from error
        label = settings.pop("label", "first")
        return DaemonConfig(runtime_dir=str(self.folder), **settings), label

    def worker(self, label: str) -> Any:
        return lambda seat: FakeWorker(seat, self.emitter, self.folder, label).run()

    def hub(self) -> RunHub | None:
        """None unless the test is about it."""
        if "hub" not in json.loads((self.folder / "behaviour.json").read_text()):
            return None
        return lambda seat: FakeHub(seat, self.emitter, self.folder).run()

    def janitor(self, seat: WorkerSeat) -> int:
        if (self.folder / "janitor-hangs").exists():
            time.sleep(60)
        give_back(seat, self.emitter, "janitor")
        return WorkerExit.OK

    def reload(self) -> Reloaded:
        config, label = self.read()
        return Reloaded(
            config=config,
            run_worker=self.worker(label),
            janitor=self.janitor,
            hub=self.hub(),
            changes=(f"label: {label}",),
        )

    def run(self, *, is_detached: bool) -> int:
        if (self.folder / "adopts-orphans").exists():
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # as process 1 does
        config, label = self.read()
        identity = find_identity(config.user, config.group)
        readiness = detach(Path(config.log_file) if config.log_file else None) if is_detached else None
        try:
            if identity is not None:
                identity.take()
            with Pidfile.acquire(self.folder / "main.pid") as pidfile:
                supervisor = Supervisor(
                    config=config,
                    board=Board.create(self.folder / "main.board", daemon=config.name),
                    emitter=self.emitter,
                    run_worker=self.worker(label),
                    reload=self.reload,
                    janitor=self.janitor,
                    version="0",
                    store_shown="nowhere",
                    hub=self.hub(),
                    on_death=(self.folder / "bell").touch,
                    on_ready=readiness.ready if readiness is not None else lambda: None,
                    private_fds=[pidfile.fd],
                )
                code = supervisor.run()
                if readiness is not None:
                    readiness.failed(supervisor.failure, code)
                return code
        except SnqdError as error:
            if readiness is not None:
                readiness.failed(str(error), error.exit_code)
            raise


def main(folder: Path, *flags: str) -> int:
    try:
        return Daemon(folder).run(is_detached="--detach" in flags)
    except SnqdError as error:
        sys.stderr.write(f"snqd: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))

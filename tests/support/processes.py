"""Starting real daemons and waiting for facts about them: events, processes, words on the board.

Nothing here sleeps and hopes: every wait has a deadline and says what it waited for. A process counts as gone when
/proc has no such process or shows a zombie; `kill(pid, 0)` would call a zombie alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from snqd.telemetry.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.explaining import OnFailure

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 20.0
"""How long a test waits for a fact before it gives up: generous, for slow machines."""


def wait_until(
    fact: Callable[[], T], what: str, *, seconds: float = SECONDS, seen: Callable[[], object] | None = None
) -> T:
    """The first true value of `fact()`; fails the test when there is none within `seconds`, and says what was `seen`
    instead.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        if time.monotonic() > deadline:
            instead = f"; instead: {seen()!r}" if seen else ""
            raise AssertionError(f"within {seconds} s it did not happen: {what}{instead}")
        time.sleep(0.002)


def process_state(pid: int) -> str | None:
    """The letter of /proc/PID/stat (R, S, D, Z …), or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat[stat.rindex(")") + 2]


def is_pending(number: int, pid: int) -> bool:
    """Whether a signal that was sent to the process has not reached it yet."""
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return any(int(lines[name], 16) >> (number - 1) & 1 for name in ("SigPnd", "ShdPnd"))


def halt(pid: int) -> None:
    """Stop a process, and return when it stands: a signal that comes sooner could still be obeyed."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process_state(pid) == "T", f"process {pid} stands still")


def is_gone(pid: int) -> bool:
    return process_state(pid) in (None, "Z", "X")


def children_of(pid: int) -> list[int]:
    """Children of a process, zombies included."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class FakeDaemon:
    """A supervisor with fake workers in a process of its own (see `tests.support.fake_daemon`)."""

    def __init__(self, folder: Path, behaviour: dict[str, Any], settings: dict[str, Any]) -> None:
        self.folder = folder
        self._log = folder / "log"
        self.behave(behaviour)
        self.configure(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def behave(self, behaviour: dict[str, Any]) -> None:
        """What workers spawned from now on do, by slot number, `*` for the others."""
        _write(self.folder / "behaviour.json", json.dumps(behaviour))

    def configure(self, settings: dict[str, Any]) -> None:
        _write(self.folder / "daemon.json", json.dumps(settings))

    def start(self, *flags: str, environment: dict[str, str] | None = None) -> None:
        """Start it; with `--detach`, the process is the command that waits for the daemon."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fake_daemon", str(self.folder), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait_exit(self, *, seconds: float = SECONDS) -> int:
        """Its exit code, negative for a signal."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """At the end of a test: nothing of it may be left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for event in self.events("WorkerSpawned"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(event["pid"], signal.SIGKILL)

    # what it says

    def log_text(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def events(self, name: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Events so far, in order, with this name and these fields."""
        found = []
        for line in self.log_text().split("\n")[:-1]:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a Python stack of USR1
            is_named = name is None or event.get("event") == name
            if is_named and all(event.get(key) == value for key, value in fields.items()):
                found.append(event)
        return found

    def wait_event(self, name: str, *, seconds: float = SECONDS, **fields: Any) -> dict[str, Any]:
        return self.wait_events(name, 1, seconds=seconds, **fields)[0]

    def wait_events(self, name: str, count: int, *, seconds: float = SECONDS, **fields: Any) -> list[dict[str, Any]]:
        """At least `count` events."""

        def enough() -> list[dict[str, Any]]:
            found = self.events(name, **fields)
            return found if len(found) >= count else []

        return wait_until(enough, f"{count} events {name} {fields}", seconds=seconds)

    def wait_ready(self, workers: int) -> list[int]:
        """Pids of the first `workers` ready workers, by slot."""
        ready = self.wait_events("WorkerReady", workers)
        self.wait_event("DaemonStarted")
        return [event["pid"] for event in sorted(ready[:workers], key=lambda event: str(event["worker"]))]

    def board(self) -> Board:
        path = self.folder / "main.board"
        wait_until(path.exists, "the board exists")
        return Board.open(path)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)  # a worker that starts now reads the old text or the new


@pytest.fixture
def fake_daemon(tmp_path: Path, on_failure: OnFailure) -> Iterator[Callable[..., FakeDaemon]]:
    """Makes and starts daemons: `fake_daemon({"*": {…}}, threads=2)`; they are gone at the end of the test."""
    made: list[FakeDaemon] = []

    def make(
        behaviour: dict[str, Any] | None = None,
        *,
        flags: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
        **settings: Any,
    ) -> FakeDaemon:
        daemon = FakeDaemon(folder or tmp_path, behaviour or {}, settings)
        made.append(daemon)
        on_failure(f"log of {daemon.folder.name}", daemon.log_text)
        daemon.start(*flags, environment=environment)
        return daemon

    yield make
    for daemon in made:
        daemon.stop()

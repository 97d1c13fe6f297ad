"""The demonstration's daemon: a real `snqd run` in a temporary folder, which ends with the demonstration."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.config.load import Loader
from snqd.demo.shops import SITES, XMPP_SITE
from snqd.demo.story import Story
from snqd.errors import SnqdError
from snqd.supervisor.runtime import socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import IO, Any, Self

NAME = "demo"
GRACE_SECONDS = 3.0
_START_SECONDS = 30.0
_END_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class DemoDaemon:
    """A context: the daemon runs inside it, and the folder is gone after it."""

    def __init__(self, *, workers: int, xmpp: Mapping[str, Any] | None = None) -> None:
        """`xmpp`: the settings of the connection that the first shop has, if any."""
        self.folder = Path(tempfile.mkdtemp(prefix="snqd-demo-"))
        self.file = self.folder / "snqd.toml"
        self.url = f"sqlite:///{self.folder / 'items.db'}"
        self.story = Story()
        self.file.write_text(_configuration(self.url, self.folder, workers, xmpp))
        # Nothing of the person's own settings: they might name a store that matters.
        self.config = Loader(file=str(self.file), environ={}).load().config
        self.control_socket = socket_path(self.config.daemon, self.folder)
        self._log = _Log()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
            self._await_start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def stop(self) -> None:
        """Ask the daemon to drain, and wait until it is gone."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS + _END_SECONDS)

    def check(self) -> None:
        """Raises `SnqdError` when the daemon has ended by itself."""
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise SnqdError(f"the daemon has ended with code {code}: {self._log.last_words or 'no reason given'}")

    def _start(self) -> None:
        # A group of its own: Ctrl-C is the demonstration's, which then tells the daemon once.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "snqd", "run", "--config", str(self.file)],
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith("SNQD_")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            preexec_fn=end_with_parent,  # safe: no thread has been started yet
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), name="log", daemon=True)
        self._reader.start()

    def _read(self, log: IO[bytes]) -> None:
        for line in log:
            self._log.feed(line.decode(errors="replace"))

    def _await_start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._log.is_ready:
            self.check()
            if time.monotonic() > deadline:
                raise SnqdError(f"the daemon was not ready after {_START_SECONDS:g} s: {self._log.last_words}")
            time.sleep(0.02)

    def _end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGQUIT)
                try:
                    self._process.wait(_END_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()  # its workers leave by their lifeline
                    self._process.wait()
            if self._reader is not None:
                self._reader.join(_END_SECONDS)
            if self._process.stderr is not None:
                self._process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Log:
    """What the daemon writes to standard error, as far as it matters: has it started, and if not, why."""

    def __init__(self) -> None:
        self.is_ready = False
        self.last_words = ""
        """The last line that was no event."""

    def feed(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            self.last_words = line.strip() or self.last_words
        else:
            self.is_ready = self.is_ready or event.get("event") == "DaemonStarted"


def _configuration(url: str, folder: Path, workers: int, xmpp: Mapping[str, Any] | None) -> str:
    lines = [
        "[daemon]",
        f'name = "{NAME}"',
        f"threads = {workers}",
        'serve = ["main"]' if xmpp is None else 'serve = ["main", "xmpp"]',
        f"runtime_dir = {json.dumps(str(folder))}",
        'log_format = "json"',
        f"grace_seconds = {GRACE_SECONDS}",
        "[store]",
        f"url = {json.dumps(url)}",
        "[handlers]",
        'modules = ["snqd.demo.handlers"]',
        "entry_points = false",
        "[telemetry]",
        'listen = "127.0.0.1:0"',
    ]
    for site, own in SITES.items():
        lines += [f'[site."{site}"]', *_settings(own)]
    if xmpp is not None:
        lines += [f'[site."{XMPP_SITE}".xmpp]', *_settings(xmpp)]
    return "\n".join(lines) + "\n"


def _settings(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key} = {json.dumps(value)}" for key, value in values.items())


def end_with_parent() -> None:
    """In the child: a demonstration that is killed takes what it started along (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

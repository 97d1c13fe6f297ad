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
from snqd.demo.counted import TALLY_SETTING
from snqd.demo.shops import SITES
from snqd.demo.story import Story
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Self

NAME = "demo"
GRACE_SECONDS = 3.0
_START_SECONDS = 30.0
_END_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class DemoDaemon:
    """A context: the daemon runs inside it, and the folder is gone after it."""

    def __init__(self, *, workers: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="snqd-demo-"))
        self.file = self.folder / "snqd.toml"
        self.url = f"sqlite:///{self.folder / 'items.db'}"
        self.tallies = self.folder / "tallies"
        self.story = Story()
        self.tallies.mkdir()
        self.file.write_text(_configuration(self.url, self.folder, self.tallies, workers))
        # Nothing of the person's own settings: they might name a store that matters.
        self.config = Loader(file=str(self.file), environ={}).load().config
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
            raise SnqdError(f"the daemon has ended with code {code}: {self.story.last_words or 'no reason given'}")

    def _start(self) -> None:
        # A group of its own: Ctrl-C is the demonstration's, which then tells the daemon once.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "snqd", "run", "--config", str(self.file)],
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith("SNQD_")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            preexec_fn=_end_with_parent,  # safe: no thread has been started yet
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), name="log", daemon=True)
        self._reader.start()

    def _read(self, log: IO[bytes]) -> None:
        for line in log:
            self.story.feed(line.decode(errors="replace"))

    def _await_start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self.story.is_ready:
            self.check()
            if time.monotonic() > deadline:
                raise SnqdError(f"the daemon was not ready after {_START_SECONDS:g} s: {self.story.last_words}")
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


def _configuration(url: str, folder: Path, tallies: Path, workers: int) -> str:
    settings = {TALLY_SETTING: str(tallies)}
    lines = [
        "[daemon]",
        f'name = "{NAME}"',
        f"threads = {workers}",
        f"runtime_dir = {json.dumps(str(folder))}",
        'log_format = "json"',
        f"grace_seconds = {GRACE_SECONDS}",
        "[store]",
        f"url = {json.dumps(url)}",
        "[handlers]",
        'modules = ["snqd.demo.counted"]',
        "entry_points = false",
        "[settings]",
        *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
    ]
    for site, own in SITES.items():
        lines += [f'[site."{site}"]', *(f"{key} = {json.dumps(value)}" for key, value in own.items())]
    return "\n".join(lines) + "\n"


def _end_with_parent() -> None:
    """In the child: a demonstration that is killed takes its daemon along (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

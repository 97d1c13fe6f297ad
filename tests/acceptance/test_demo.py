"""`snqd demo` as a person meets it: on a terminal, in a pipe, interrupted, and killed."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.fork

COMMAND = [sys.executable, "-m", "snqd", "demo"]
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_SECONDS = 45.0


class Terminal:
    """A demo on a terminal of its own, and what it has written there."""

    def __init__(self, columns: int, rows: int, folder: Path) -> None:
        self._master, slave = pty.openpty()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "TMPDIR": str(folder)}
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.process = subprocess.Popen(
            COMMAND,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def frames(self) -> list[list[str]]:
        """Every complete drawing, as lines of plain text."""
        drawn = self.text.split("\x1b[H")[1:-1]
        return [_ESCAPE.sub("", frame).replace("\r", "").split("\n") for frame in drawn]

    def wait_frame(self, wanted: Callable[[str], bool], what: str) -> str:
        """The first drawing that is `wanted`."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            self.read(0.2)
            for frame in self.frames():
                if wanted("\n".join(frame)):
                    return "\n".join(frame)
        raise AssertionError(f"no screen showed {what}; the last one:\n{self.frames()[-1:]}\n{self.text[-500:]}")

    def read(self, seconds: float) -> None:
        """Take what is written within `seconds`."""
        if select.select([self._master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # EIO: every process has closed its end
                self.text += self._decode(os.read(self._master, 65536))  # a read may end inside a character

    def wait_exit(self) -> int:
        deadline = time.monotonic() + _SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.1)
        self.read(0.1)
        return self.process.wait(1)

    def close(self) -> None:
        for process in descendants(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def assert_gone(processes: list[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    shown = Terminal(80, 24, tmp_path)
    yield shown
    shown.close()


def test_it_shows_figures_a_failure_a_dead_letter_and_a_respawn_on_a_small_terminal_and_ctrl_c_ends_it_cleanly(
    terminal: Terminal, tmp_path: Path
) -> None:
    screen = terminal.wait_frame(
        lambda text: all(word in text for word in (" died ", " dead ", " retry ", "replaced in")),
        "a death, a dead letter and a failure",
    )
    processes = descendants(terminal.process.pid)

    assert re.search(r"[1-9][\d,]* items done", screen)
    for site in ("bakery.example", "museum.example"):
        assert re.search(rf"^mail +{site} .* [1-9]\d*\.\d$", screen, re.MULTILINE), screen
    assert re.search(r"^demo\.\d +\d+ +.* [1-9]$", screen, re.MULTILINE), f"no respawn is counted:\n{screen}"
    assert len(processes) >= 4, "a supervisor and three workers"
    for frame in terminal.frames():
        assert len(frame) <= 24
        assert max(frame, key=len)[80:] == "", max(frame, key=len)

    terminal.type(b"\x03")

    assert terminal.wait_exit() == 0
    farewell = _ESCAPE.sub("", terminal.text).strip().splitlines()[-1]
    assert re.fullmatch(r"[1-9][\d,]* items done, .* dead; .* retried, .* replaced", farewell)
    assert_gone(processes)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_killed_takes_its_daemon_along(terminal: Terminal) -> None:
    terminal.wait_frame(lambda text: "items done" in text, "the first figures")
    processes = descendants(terminal.process.pid)
    assert len(processes) >= 4

    terminal.process.send_signal(signal.SIGKILL)

    assert_gone(processes)


def test_without_a_terminal_it_writes_lines_and_leaves_the_persons_own_store_alone(tmp_path: Path) -> None:
    own_store = tmp_path / "own.db"
    environment = {**os.environ, "SNQD_STORE_URL": f"sqlite:///{own_store}", "TMPDIR": str(tmp_path)}

    done = subprocess.run(
        [*COMMAND, "--seconds", "4"], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"^00:0\d done [1-9]\d* ", done.stdout, re.MULTILINE), done.stdout
    assert "retry: " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_it_as_ctrl_c_does(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_frame(lambda text: "items done" in text, "the first figures")
    processes = descendants(terminal.process.pid)

    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.wait_exit() == 0
    assert_gone(processes)
    assert list(tmp_path.iterdir()) == []

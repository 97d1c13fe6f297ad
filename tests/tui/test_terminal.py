"""The monitor in a real terminal: it leaves as it was asked to, and when the terminal is gone."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fork


class Terminal:
    """A pseudo-terminal with a monitor that nobody answers."""

    def __init__(self, *, is_hup_ignored: bool = False) -> None:
        self.code: int | None = None
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            if is_hup_ignored:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.environ |= {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "XDG_CONFIG_HOME": "/nonexistent"}
            os.execv(sys.executable, [sys.executable, "-m", "snqmon", "127.0.0.1:1"])

    def wait(self, words: bytes, *, seconds: float = 20.0) -> bytes:
        until, seen = time.monotonic() + seconds, b""
        while words not in seen:
            assert time.monotonic() < until, f"{words!r} was not drawn: {seen[-2000:]!r}"
            if select.select([self.file], [], [], 0.1)[0]:
                seen += os.read(self.file, 65536)
        return seen

    def has_left(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def kill(self) -> None:
        if not self.has_left():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture(params=[False, True], ids=["", "with nohup"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(is_hup_ignored=request.param)
    yield opened
    opened.kill()


def test_it_ends_when_its_terminal_is_gone(terminal: Terminal) -> None:
    terminal.wait(b"127.0.0.1:1")

    os.close(terminal.file)

    eventually(terminal.has_left)


def test_q_leaves_and_gives_the_terminal_back() -> None:
    terminal = Terminal()
    try:
        terminal.wait(b"127.0.0.1:1")
        os.write(terminal.file, b"q")

        terminal.wait(b"\x1b[?1049l")  # the screen as it was before
        eventually(terminal.has_left)

        assert terminal.code == 0
    finally:
        terminal.kill()

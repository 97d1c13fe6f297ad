"""A real terminal: tmux runs a program at a given size, keys are typed, and the screen is read as a person sees it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SECONDS = 20.0


class Terminal:
    """A server of its own, so that nothing of a person's own tmux is met."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        columns: int = 120,
        rows: int = 40,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._socket = folder / "tmux.sock"
        self._code = folder / "exit-code"
        words = f"{shlex.join(command)}; echo $? > {shlex.quote(str(self._code))}; sleep 3600"
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), words,
            environment={**os.environ, **(environment or {}), "LANG": "C.UTF-8"},
        )  # fmt: skip
        self.pane_pid = int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._tmux("kill-server", check=False)

    def type(self, *keys: str) -> None:
        """Type keys, by tmux's names for them: `q`, `Enter`, `Escape`, `C-c`."""
        self._tmux("send-keys", *keys)

    def write(self, text: str) -> None:
        """Type a text as it is."""
        self._tmux("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def text(self) -> str:
        """What is on the screen, without colours."""
        return self._tmux("capture-pane", "-p")

    def wait(self, wanted: str | Callable[[str], object], *, seconds: float = _SECONDS) -> str:
        """The first screen in which the pattern is found, or of which the fact is true."""
        fact = wanted if callable(wanted) else re.compile(wanted, re.MULTILINE).search
        deadline = time.monotonic() + seconds
        while not fact(shown := self.text):
            assert time.monotonic() < deadline, f"not on the screen after {seconds} s: {wanted}\n{shown}"
            time.sleep(0.05)
        return shown

    def wait_exit(self, *, seconds: float = _SECONDS) -> int:
        """The program's exit code, when it has ended."""
        deadline = time.monotonic() + seconds
        while not (self._code.exists() and self._code.read_text()):
            assert time.monotonic() < deadline, f"has not ended after {seconds} s:\n{self.text}"
            time.sleep(0.05)
        return int(self._code.read_text())

    def _tmux(self, *words: str, environment: Mapping[str, str] | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0 or not check, f"tmux {words}: {done.stderr}"
        return done.stdout

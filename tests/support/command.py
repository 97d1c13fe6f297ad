"""The real command line in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
HANDLERS = """\
import snqd
from snqd.handlers.base import handler

@handler("mail")
def mail(payload, context):
    pass

@handler("thumbnail")
def thumbnail(payload, context):
    pass
"""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message, after checking that it is one line, without a traceback, and that the command says it failed."""
        assert self.code != 0, self
        assert "Traceback" not in self.err, self.err
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("snqd: error: "), self.err
        return lines[0].removeprefix("snqd: error: ")


class Command:
    """`snqd` in `folder`, with nothing of the caller's environment but the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}

    def __call__(self, *words: object, stdin: str | bytes = b"", environ: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            self.line(*words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(environ),
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(
        self, *words: object, stdin: int = subprocess.DEVNULL, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """The running process; what it says is piped."""
        return subprocess.Popen(
            self.line(*words),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(environ),
        )

    def line(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "snqd", *map(str, words)]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(("COVERAGE", "COV_"))
        }
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(PROJECT)]),
            "SNQD_DAEMON_RUNTIME_DIR": str(self.folder / "runtime"),
            **self.environ,
            **(more or {}),
        }

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def snqd(tmp_path: Path) -> Command:
    """The command in an empty folder: SQLite store `snqd.db`, no handlers."""
    return Command(tmp_path)


@pytest.fixture
def snqd_with_handlers(snqd: Command) -> Command:
    """The same with handlers for the queues `mail` and `thumbnail`."""
    snqd.write("shop_handlers.py", HANDLERS)
    snqd.environ["SNQD_HANDLERS_MODULES"] = "shop_handlers"
    return snqd

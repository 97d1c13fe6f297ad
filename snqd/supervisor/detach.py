"""Going to the background: the daemon leaves its terminal, and the command returns when the daemon is ready.

    command ──fork──▶ middle ──fork──▶ daemon
       │                 └─ setsid, ends at once: the daemon leads no session and can get no terminal
       └─ waits on a pipe: "ready" → exit 0; "failed CODE line" → prints the line, exit CODE; silence → exit 1

So `snqd run --detach` tells a failure to start as clearly as a daemon in the foreground does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from snqd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_UMASK = 0o027


class Readiness:
    """The daemon's end of the pipe to the command that started it. Only the first word counts."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def ready(self) -> None:
        """The daemon works: let the command return."""
        self._say(b"ready\n")

    def failed(self, message: str, code: int) -> None:
        """The daemon cannot start; `message` is shown by the command, which leaves with `code`."""
        line = message.replace("\n", " ")
        self._say(f"failed {code} {line}\n".encode(errors="backslashreplace"))

    def _say(self, line: bytes) -> None:
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            os.write(fd, line)
        except OSError:  # the command was interrupted: nobody waits for the answer
            pass
        finally:
            os.close(fd)


def detach(log_file: Path | None) -> Readiness:
    """Continue in the background; only the daemon returns from here. Raises `ConfigError` for a bad `log_file`.

    The command that called leaves the process with the daemon's word. `log_file` is opened now, with the rights and
    in the folder that the caller has; standard output and error go there, or to /dev/null.
    """
    log_fd = _open_log(log_file)
    read_fd, write_fd = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() != 0:
        os.close(write_fd)
        _wait_and_leave(read_fd)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.close(read_fd)
    os.umask(_UMASK)
    os.chdir("/")
    _redirect(log_fd)
    return Readiness(write_fd)


def _open_log(log_file: Path | None) -> int:
    if log_file is None:
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ConfigError(f"daemon.log_file {log_file}: {error.strerror}: name a file that can be written") from error


def _redirect(log_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.close(null)
    os.close(log_fd)


def _wait_and_leave(read_fd: int) -> NoReturn:
    os.wait()  # the middle process ends at once
    with os.fdopen(read_fd, encoding="utf-8", errors="replace") as pipe:
        # A line, not up to the end: the first workers have the pipe too, as long as they live.
        word, _, rest = pipe.readline().partition(" ")
    if word == "ready\n":
        sys.exit(0)
    code, _, message = rest.partition(" ")
    if word != "failed" or not code.isdigit():
        code, message = "1", "the daemon ended before it was ready: see its log (daemon.log_file)\n"
    sys.stderr.write(f"snqd: {message}")
    sys.exit(int(code))

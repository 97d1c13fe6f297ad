"""The pidfile: who the daemon is, and the lock that keeps a second one away.

The lock is `flock` on the file, held as long as the file is open: a pidfile whose owner is dead is simply free, and
no pid is ever guessed to be alive. Children close the descriptor (`Supervisor` is given it in `private_fds`), so that
a worker that is still leaving does not hold the lock of a supervisor that is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Self

from snqd.errors import ConfigError, DaemonRunning

if TYPE_CHECKING:
    from pathlib import Path


class Pidfile:
    """Made by `acquire`, in the process that is the daemon (after detaching); given up by `release`."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Lock `path` and write our pid into it. Raises `DaemonRunning`, or `ConfigError` when it cannot be written."""
        while True:
            fd = _open(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
                os.close(fd)
                raise DaemonRunning(
                    f"a daemon with pid {pid} already holds {path}: stop it (kill {pid}), "
                    "or give this one another daemon.name or daemon.pidfile"
                ) from None
            if _is_still(path, fd):
                break
            os.close(fd)  # its last owner removed it between our open and our lock
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return cls(path, fd)

    def release(self) -> None:
        """Remove the file if it is still ours, and unlock it."""
        if _is_still(self.path, self.fd):
            with contextlib.suppress(OSError):  # the folder may be gone or not ours any more
                self.path.unlink()
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise ConfigError(
            f"pidfile {path}: {error.strerror}: make its folder writable for user {os.geteuid()}, "
            "or set daemon.pidfile or daemon.runtime_dir"
        ) from error


def _is_still(path: Path, fd: int) -> bool:
    """Whether `path` names the file that is open as `fd`."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except OSError:
        return False

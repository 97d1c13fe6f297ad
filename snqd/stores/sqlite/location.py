"""Where the SQLite file is, and the lock that lets one daemon serve it. Imports no driver: the supervisor uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from urllib.parse import unquote

from snqd.errors import ConfigError, DaemonRunning, StoreError

_SCHEME = "sqlite:///"


def path_from_url(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names. Raises `ConfigError`."""
    name = unquote(url.removeprefix(_SCHEME))
    if not url.startswith(_SCHEME) or not name or name == ":memory:" or "\0" in name or "?" in url:
        raise ConfigError(
            f"store.url is {url!r}: expected sqlite:///relative.db or sqlite:////absolute/path.db "
            "(for a store that lives in the process's memory, memory://)"
        )
    return Path(name)


def lock_for_daemon(path: Path | str) -> int:
    """Take the lock that says a daemon serves this file; the descriptor holds it until every copy is closed.

    The lock is on `<file>.daemon-lock`, since the database's own locks belong to SQLite. Forked workers inherit it,
    so that a second daemon cannot start while orphans of the first still work. Raises `DaemonRunning`, `StoreError`.
    """
    lock = Path(os.path.realpath(path) + ".daemon-lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"cannot create {lock}: {error.strerror}: the daemon needs to write to that folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DaemonRunning(
            f"a daemon (pid {holder}) already serves {path}: stop it first, or give this one another store.url"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor

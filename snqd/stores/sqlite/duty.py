"""Which worker serves a group that may have one only: a lock on a file beside the database.

All who use the file are on one machine, so its kernel can keep the lock, and ends it the moment the process is gone.
It is a record lock (fcntl): unlike that of `flock` it is not inherited by what a handler forks.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from snqd.errors import StoreError
from snqd.stores.repairs import Duty

if TYPE_CHECKING:
    from pathlib import Path

_NAME_BYTES = 1024


class DutyLocks:
    """The locks of one process. A file is opened once: closing any descriptor of it would end a record lock."""

    def __init__(self, path: Path) -> None:
        self._beside = os.path.realpath(path)
        self._files: dict[str, int] = {}
        self._ours: set[str] = set()

    def take(self, group: str, claimant: str) -> Duty:
        """Who has the lock: `claimant`, or another that came first. Raises `StoreError`."""
        if group in self._ours:
            return Duty(claimant)
        file = self._file(group)
        before = os.pread(file, _NAME_BYTES, 0).decode(errors="replace").strip()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return Duty(before or "another process")
        self._ours.add(group)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{claimant}\n".encode(), 0)
        return Duty(claimant, before=before)

    def leave(self, group: str) -> None:
        if group in self._ours:
            self._ours.discard(group)
            os.ftruncate(self._files[group], 0)
            os.close(self._files.pop(group))

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._ours.clear()

    def _file(self, group: str) -> int:
        if group not in self._files:
            path = f"{self._beside}.duty-{quote(group, safe='')}"
            try:
                self._files[group] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise StoreError(f"cannot create {path}: {error.strerror}: the worker needs to write there") from error
        return self._files[group]

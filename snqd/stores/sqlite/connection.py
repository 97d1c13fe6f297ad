"""One connection to the file: how it is opened, how it waits for the write lock, what its errors mean.

SQLite has one writer at a time. Its own way to wait (a busy handler that sleeps 1, 2, 5 … 100 ms) is slow and unfair,
and a dozen processes that poll the lock spend more on waking up than on their work. So the processes of snqd queue up
for their *turn* first: a `flock` on a file beside the database (`<file>-turn`), where the kernel puts waiters to sleep
and hands over at once (measured with 12 processes on 2 cores: twice the commits of polling at half of its CPU, and a
99th percentile of 26 instead of 69 ms). Whoever has the turn asks for SQLite's lock (BEGIN IMMEDIATE), which stays the
only thing that correctness rests on, by polling: it is free, unless a program that knows nothing of turns holds it,
or a handler's transaction. The turn is passed on after a while even so: nobody holds it without end, and everybody
gets to know that the lock cannot be had.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from snqd.errors import BadItem, SnqdError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Synchronous = Literal["full", "normal"]
T = TypeVar("T")

LOCK_WAIT_SECONDS = 30.0
"""How long to wait for a writer that does not let go, before `StoreUnavailable`."""
OLDEST_SQLITE = (3, 37, 0)
_PAUSE_SECONDS = 0.0004
_TURN_SECONDS = 0.02
_LONG_WAIT_SECONDS = 0.25
_LONG_PAUSE_SECONDS = 0.004
_WAL_LIMIT_BYTES = 64 * 1024 * 1024

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


def now() -> float:
    """Epoch seconds, cut to the millisecond, as the columns' defaults have it.

    The clock of the store is the host's, which every program that opens the file shares; SQLite reads the same one.
    (Its `unixepoch('subsec')` came with 3.42, so the defaults go by julianday.) Cut, never rounded up: the trigger
    would take a time in the future for a delay.
    """
    return int(time.time() * 1000.0) / 1000.0


class Connection:
    """A connection to `path`, used by one thread at a time. Raises `StoreUnavailable` and `StoreError` only."""

    def __init__(
        self,
        path: Path,
        *,
        synchronous: Synchronous = "full",
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self.path = path
        self.waited_seconds = 0.0
        """How long the last write waited for its lock."""
        self._lock_wait_seconds = lock_wait_seconds
        _check_place(path)
        self._turn = _open_turn(path)
        try:
            # timeout 0: SQLite itself never sleeps, _pause() does
            self.raw = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, factory=factory)
        except sqlite3.Error as error:
            _close_turn(self._turn)
            raise translated(error, path) from error
        try:
            self.read(lambda raw: _prepare(raw, synchronous))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.raw.close()
        self._turn = _close_turn(self._turn)

    def read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """What `action` reads; done again when the file is locked (a recovery, a checkpoint at closing)."""
        started = 0.0
        while True:
            try:
                return action(self.raw)
            except sqlite3.Error as error:
                started = started or time.monotonic()
                self._pause(error, started)

    def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` in a transaction of its own; all of it is done again when the file is locked."""
        raw = self.raw
        started = time.monotonic()
        while True:
            self._begin(started)
            try:
                result = action(raw)
                raw.execute("COMMIT")
            except sqlite3.Error as error:
                self.rollback()
                self._pause(error, started)
            except BaseException:
                self.rollback()
                raise
            else:
                return result
            finally:
                self._pass_turn()

    def begin(self) -> None:
        """Begin a transaction that somebody else will end; the turn does not wait for that."""
        self._begin(time.monotonic())
        self._pass_turn()

    def inside(self, action: Callable[[], T]) -> T:
        """What `action` does in a transaction that is open: not tried again, errors translated."""
        try:
            return action()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def rollback(self) -> None:
        """Undo the open transaction, if SQLite has not done so already."""
        if self.raw.in_transaction:
            with suppress(sqlite3.Error):
                self.raw.execute("ROLLBACK")

    def _begin(self, started: float) -> None:
        """Wait for the turn and for the write lock; holds both on return."""
        while True:
            self._take_turn()
            turn_ends = 0.0
            try:
                while not turn_ends or time.monotonic() < turn_ends:
                    try:
                        self.raw.execute("BEGIN IMMEDIATE")
                    except sqlite3.Error as error:
                        self._pause(error, started)
                        turn_ends = turn_ends or time.monotonic() + _TURN_SECONDS
                    else:
                        self.waited_seconds = time.monotonic() - started
                        return
            except BaseException:
                self._pass_turn()
                raise
            self._pass_turn()
            time.sleep(_PAUSE_SECONDS)  # else we would be the next again

    def _take_turn(self) -> None:
        if self._turn >= 0:
            fcntl.flock(self._turn, fcntl.LOCK_EX)

    def _pass_turn(self) -> None:
        if self._turn >= 0:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _pause(self, error: sqlite3.Error, started: float) -> None:
        """Sleep a little before another try, or raise what `error` means."""
        if _is_undecodable(error) and self.raw.text_factory is str:
            # another program stored text that is not UTF-8: from now on read such text with replacement characters
            self.raw.text_factory = _decode_leniently
            return
        waited = time.monotonic() - started
        if not is_busy(error) or waited > self._lock_wait_seconds:
            raise translated(error, self.path, waited) from error
        pause(waited)


def pause(waited_seconds: float) -> None:
    """Sleep before another try: some tenths of a millisecond, and milliseconds when it takes long."""
    mean = _PAUSE_SECONDS if waited_seconds < _LONG_WAIT_SECONDS else _LONG_PAUSE_SECONDS
    time.sleep(random.random() * 2.0 * mean)


def is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def translated(error: sqlite3.Error, path: Path | str, waited_seconds: float = 0.0) -> SnqdError:
    """The error of ours that says what `error` means for the person who runs this."""
    code = getattr(error, "sqlite_errorcode", 0)
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return StoreUnavailable(
                f"{path} is locked: another program has held its write lock for {waited_seconds:.0f} s: "
                "end its transaction (`fuser` names the program)"
            )
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"{path}: the disk is full: nothing was stored; make room and it goes on")
        case sqlite3.SQLITE_IOERR:
            return StoreUnavailable(f"{path}: the disk does not obey ({error}): look at the kernel's log")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"cannot open {path}: {_why_not(Path(path))}")
        case sqlite3.SQLITE_READONLY:
            return StoreError(f"cannot write to {path}: {_why_not(Path(path))}")
        case sqlite3.SQLITE_NOTADB:
            return StoreError(f"{path} is not an SQLite database: check store.url")
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{path} is damaged ({error}): restore it, or save what can be read with `.recover`")
        case sqlite3.SQLITE_CONSTRAINT | sqlite3.SQLITE_MISMATCH | sqlite3.SQLITE_TOOBIG:
            return BadItem(f"the item cannot be stored: {error}")
        case _:
            return StoreError(f"{path}: {error}")


def _check_place(path: Path) -> None:
    """Raise the clear error where SQLite would only say "unable to open database file"."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the way there is closed to us
        raise StoreError(f"cannot open {path}: it is a folder: let store.url name a file")
    if os.access(path.parent.parent, os.X_OK) and not path.parent.is_dir():
        raise StoreError(f"cannot create {path}: the folder {path.parent} does not exist: create it first")


def _open_turn(path: Path) -> int:
    """The file of the turns, -1 when there can be none. Read access is enough for a lock on it."""
    try:
        return os.open(os.path.realpath(path) + "-turn", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return -1  # the database will say what is wrong with the folder; without turns all goes on, by polling


def _close_turn(turn: int) -> int:
    if turn >= 0:
        os.close(turn)
    return -1


def _why_not(path: Path) -> str:
    user = f"uid {os.geteuid()}"
    if os.access(path, os.F_OK) and not os.access(path, os.W_OK):
        return f"{user} may not write to it"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"{user} may not write to the folder {path.parent}, which SQLite needs for its -wal file"
    return "the file or its folder is read-only, or SQLite's -wal file beside it belongs to someone else"


def _prepare(raw: sqlite3.Connection, synchronous: Synchronous) -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: snqd needs 3.37 or newer")
    mode: Any = raw.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"SQLite cannot use a write-ahead log here (journal mode stays {mode!r}): use a local disk")
    raw.execute(f"PRAGMA synchronous = {synchronous.upper()}")
    raw.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    if raw.execute("PRAGMA encoding").fetchone()[0] != "UTF-8":
        raise StoreError("the database keeps its text as UTF-16: snqd needs one in UTF-8")


def _is_undecodable(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")


def _decode_leniently(text: bytes) -> str:
    return text.decode(errors="replace")

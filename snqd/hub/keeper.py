"""The keeper: a thread of the hub that keeps the sites as they are declared, and hears what is asked of all hosts.

It is woken by what the control socket hands it, by the kernel (a file of `sites.directory` was written) and by the
store (a notification of PostgreSQL), and looks at the store every `POLL_SECONDS` beside that. A store that does not
answer keeps files from being seen no longer than its own time-out.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from snqd.config.show import diff
from snqd.config.sites import is_declaration
from snqd.errors import SnqdError
from snqd.hub.folder_watch import FolderWatch
from snqd.hub.site_update import update_sites
from snqd.stores.desk import SEEN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.catalogue import Changes
    from snqd.hub.parts import HubParts
    from snqd.stores.desk import Asking

POLL_SECONDS = 2.0
"""Between two looks at the store that nothing called for."""
_FIRST_DELAY_SECONDS = 0.5
_DELAY_LIMIT_SECONDS = 10.0
_FROM_FILES = "sites.directory"
_FROM_STORE = "table site"
_REQUESTS = "requests through the store"


class Reply(NamedTuple):
    """How a request ended."""

    obeyed: bool
    said: str


class Keeper(threading.Thread):
    """`start` it after the fork. `obey` hands a request to the hub's loop; `tell_problem` hears what fails, and why."""

    def __init__(
        self,
        parts: HubParts,
        *,
        obey: Callable[[Asking], Future[Reply]],
        tell_problem: Callable[[str, str], None],
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._parts = parts
        self._obey = obey
        self._tell_problem = tell_problem
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._jobs: deque[tuple[str, str | None, Future[Changes]]] = deque()
        self._is_over = False
        self._daemon_ends = False
        self._watches = self._make_watches()
        """Folders, and what is done when something in them has changed."""
        self._number: int | None = None
        """Of the table's sites that are in force."""
        self._desk = parts.open_desk()
        self._store_fds: list[int] = []
        self._poll_at = self._seen_at = 0.0
        self._failures = 0
        self._replies: dict[int, Future[Reply]] = {}
        """Of requests that are being obeyed, or whose answer the store has not taken yet."""
        self._problems: dict[str, str] = {}

    # ---- called by the hub's loop

    def update(self, author: str, site: str | None = None) -> Future[Changes]:
        """Read the sites again, that one even if its file looks untouched. Fails with the `SnqdError` that was met."""
        future: Future[Changes] = Future()
        self._jobs.append((author, site, future))
        self._wake()
        return future

    def end(self, *, daemon_ends: bool) -> None:
        """Let the thread end. `daemon_ends`: it is not only the hub that leaves."""
        self._daemon_ends = daemon_ends
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is full, so the thread will wake
            os.write(self._wake_write, b"!")

    # ---- the thread

    def run(self) -> None:
        self._update(_FROM_FILES)  # what has changed while there was no hub
        while not self._is_over:
            while self._jobs:
                self._do_job(*self._jobs.popleft())
            self._look_at_files()
            self._look_at_store()
            self._sleep()
        while self._jobs:
            self._jobs.popleft()[2].set_exception(SnqdError("the hub is being replaced: ask again"))
        if self._daemon_ends:
            with suppress(SnqdError):
                self._desk.leave(self._parts.seat)
        self._desk.close()

    def _sleep(self) -> None:
        now = time.monotonic()
        until = min(self._poll_at, *(watch.due_at for watch, _act in self._watches), float("inf"))
        poll = select.poll()
        watched = [descriptor for watch, _act in self._watches for descriptor in watch.descriptors()]
        for descriptor in (self._wake_read, *watched, *self._store_fds):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _event in poll.poll(max(0.0, until - now) * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._poll_at = 0.0 if self._has_reply() else self._poll_at
        if not ready.isdisjoint(watched):
            for watch, _act in self._watches:
                watch.read(time.monotonic())
        if not ready.isdisjoint(self._store_fds):
            self._poll_at = 0.0

    # ---- files

    def _make_watches(self) -> list[tuple[FolderWatch, Callable[[], None]]]:
        made: list[tuple[FolderWatch, Callable[[], None]]] = []
        parts = self._parts
        sites, file = parts.config.sites, parts.config_path
        if sites.directory is not None and sites.watch:
            made.append((FolderWatch(sites.directory, is_declaration), lambda: self._update(_FROM_FILES)))
        if file is not None and parts.config.daemon.reload_on_change:
            made.append((FolderWatch(str(file.parent), lambda name: name == file.name), self._reload))
        return made

    def _look_at_files(self) -> None:
        now = time.monotonic()
        if now >= self._poll_at:
            for watch, _act in self._watches:
                watch.look(now)
            if not self._parts.sites_path.exists():  # some clean folders of what looks old
                self._update(_FROM_FILES)
        for watch, act in self._watches:
            if watch.is_due(now):
                act()

    def _reload(self) -> None:
        """Have the configuration read again if it is right, and not what is in force. What changes is told by that."""
        parts = self._parts
        try:
            is_new = bool(diff(parts.config, parts.load_again()))
        except SnqdError as error:
            self._problem("configuration", str(error))
            return
        self._problems.pop("configuration", None)
        if is_new:
            os.kill(parts.supervisor_pid, signal.SIGHUP)

    # ---- sites

    def _do_job(self, author: str, site: str | None, future: Future[Changes]) -> None:
        try:
            future.set_result(self._update_now(author, site))
        except SnqdError as error:
            future.set_exception(error)
        except Exception as error:  # it belongs to whoever asked
            future.set_exception(SnqdError(f"unexpected {type(error).__name__}: {error}"))

    def _update(self, author: str) -> None:
        try:
            self._update_now(author)
        except SnqdError as error:
            self._problem("sites", str(error))
        except Exception as error:  # a surprise must not end the thread
            self._problem("sites", f"{type(error).__name__}: {error}")
        else:
            self._problems.pop("sites", None)

    def _update_now(self, author: str, site: str | None = None) -> Changes:
        parts = self._parts
        number = self._desk.site_number() if parts.config.sites.table else None
        found = update_sites(
            parts.sites_path,
            lambda before: parts.find_sites(before, site),
            parts.emit,
            daemon=parts.daemon,
            author=author,
        )
        self._number = number
        if found.welcome:
            parts.release_parked(found.welcome)
        return found

    # ---- the store

    def _look_at_store(self) -> None:
        now = time.monotonic()
        if now < self._poll_at:
            return
        try:
            self._serve_store(now)
        except SnqdError as error:
            self._store_failed(now, str(error))
        except Exception as error:  # a driver's surprise must not end the thread
            self._store_failed(now, f"{type(error).__name__}: {error}")
        else:
            self._failures = 0
            self._problems.pop(_REQUESTS, None)
            self._poll_at = 0.0 if self._has_reply() else time.monotonic() + POLL_SECONDS

    def _serve_store(self, now: float) -> None:
        desk, seat = self._desk, self._parts.seat
        if now >= self._seen_at:
            desk.be_seen(seat, boot=self._parts.boot, version=self._parts.version)
            self._seen_at = now + SEEN_SECONDS
        self._store_fds = desk.open_wakeups()
        if self._store_fds:
            desk.read_wakeups()
        if self._parts.config.sites.table and desk.site_number() != self._number:
            self._update(_FROM_STORE)
        for asking in desk.requests(seat):
            if asking.id not in self._replies:
                self._replies[asking.id] = future = self._obey(asking)  # not waited for: it may want something of us
                future.add_done_callback(lambda _future: self._wake())
        for request, future in list(self._replies.items()):
            if future.done():
                desk.answer(request, seat, **future.result()._asdict())
                del self._replies[request]

    def _has_reply(self) -> bool:
        return any(future.done() for future in self._replies.values())

    def _store_failed(self, now: float, error: str) -> None:
        self._desk.close()
        self._store_fds = []
        self._seen_at = 0.0
        self._problem(_REQUESTS, error)
        self._failures += 1
        self._poll_at = now + min(_FIRST_DELAY_SECONDS * 2.0 ** min(self._failures, 10), _DELAY_LIMIT_SECONDS)

    def _problem(self, what: str, error: str) -> None:
        """Told once, not at each try."""
        if self._problems.get(what) != error:
            self._problems[what] = error
            self._tell_problem(what, error)

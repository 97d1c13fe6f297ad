"""`StoreHand`: how the hub changes the store, without ever waiting for it.

One thread with a store connection of its own, both begun when the first action comes. An action that takes too long
goes on; only who asked for it does not wait any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from snqd.errors import SnqdError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.base import Store

T = TypeVar("T")


class StoreHand:
    """`do` is called on the loop's thread."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._actions: queue.SimpleQueue[tuple[Callable[[Store], Any], Future[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._store: Store | None = None

    async def do(self, action: Callable[[Store], T], *, seconds: float) -> T:
        """What `action` gives back. Raises whatever it raises, and `TimeoutError` when it takes longer: it goes on.

        Raises `SnqdError` when another one has kept it from beginning: it is not done then.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="store hand", daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        self._actions.put((action, future))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            if future.cancelled():
                raise SnqdError(
                    "what was asked before still keeps the store busy: nothing was done, ask again"
                ) from None
            raise

    def _run(self) -> None:
        while True:
            action, future = self._actions.get()
            if not future.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            try:
                result = action(self._connected())
            except BaseException as error:
                if isinstance(error, StoreError):
                    self._let_go()
                future.set_exception(error)
            else:
                future.set_result(result)

    def _connected(self) -> Store:
        if self._store is not None:
            try:
                self._store.pauses()  # the smallest question: the connection may have been lost long ago
            except StoreError:
                self._let_go()
        if self._store is None:
            store = self._open()
            store.connect()
            self._store = store
        return self._store

    def _let_go(self) -> None:
        """The next action opens another connection."""
        store, self._store = self._store, None
        if store is not None:
            with contextlib.suppress(Exception):
                store.close()

"""Calls that the main thread wants to be made in the store's thread."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from snqd.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Requests:
    """`put` in any thread, `serve` in the store's."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, call: Callable[[], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        self._waiting.append((call, future))
        return future

    def serve(self) -> None:
        """Make all calls. Raises `StoreUnavailable` when one does; who asked gets it too."""
        while self._waiting:
            call, future = self._waiting.popleft()
            try:
                future.set_result(call())
            except StoreUnavailable as error:
                future.set_exception(error)
                raise
            except Exception as error:  # it belongs to whoever asked
                future.set_exception(error)

    def fail(self, error: Exception) -> None:
        """Refuse all of them."""
        with contextlib.suppress(IndexError):  # the main thread may be emptying it too
            while True:
                self._waiting.popleft()[1].set_exception(error)

"""Wait for a fact instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(fact: Callable[[], T], *, within_seconds: float = 10.0, every_seconds: float = 0.01) -> T:
    """The first truthy answer of `fact`; `AssertionError` when there is none in time."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = fact()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not so after {within_seconds} s: {fact} (last answer: {answer!r})"
        time.sleep(every_seconds)

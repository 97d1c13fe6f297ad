"""What a handler can say about its item, besides returning: done.

`Retry` and `Discard` are exceptions so that they carry the decision out of any depth of the handler's code. Any
other exception is a failure and is kept with its traceback.
"""

from __future__ import annotations


class Retry(Exception):
    """Try the item again after `after` seconds (unset: by the handler's back-off). Uses an attempt."""

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason)
        if after is not None and not 0 <= after < float("inf"):
            raise ValueError(f"Retry(after={after!r}): after is a number of seconds, 0 or more")
        self.reason = reason
        self.after = after


class Discard(Exception):
    """The item is not worth doing: it leaves the store and is counted as discarded, with `reason`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Reject(Exception):
    """The item can never be done, whoever tries: it is a dead letter at once, with `reason`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class TimeLimitExceeded(BaseException):
    """Raised inside a handler that is past its time limit.

    Derives from BaseException so that a handler's `except Exception` does not swallow it.
    """


class Interrupted(BaseException):
    """Raised inside a handler that is cut short by shutdown: the item is released and uses no attempt."""

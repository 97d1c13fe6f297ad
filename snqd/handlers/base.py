"""How application code becomes a handler: a class with `handle(payload, context)`, or a decorated function."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from snqd.errors import HandlerError
from snqd.names import check_name
from snqd.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.handlers.context import Context

DEFAULT_MAX_ATTEMPTS = 10
DEFAULT_TIME_LIMIT_SECONDS = 300.0
CONCURRENCY = 64
"""Most items of a queue that a worker runs at the same time: its place on the board has room for no more."""
CONCURRENCY_WAITING = 1000
"""The same where most of them only wait, and need no room there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerOptions:
    """What is known of a queue's handler: its declaration, overridden by `[queue.NAME]` of the configuration."""

    queue: str
    group: str = "main"
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    time_limit_seconds: float = DEFAULT_TIME_LIMIT_SECONDS
    """0 = no limit."""
    concurrency: int = 1
    """Items of this queue that one worker runs at the same time (1..64, or 1..1,000 if the handler `waits`)."""
    waits: bool = False
    """A coroutine that calls `context.waiting()` before it waits for somebody else."""
    transactional: bool = False
    """The handler's `context.connection` is a transaction that commits together with the ack."""
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        check_name("queue", self.queue)
        for name, low in (("max_attempts", 1), ("time_limit_seconds", 0), ("concurrency", 1)):
            if getattr(self, name) < low:
                raise HandlerError(f"queue {self.queue!r}: {name} is {getattr(self, name)!r}, must be {low} or more")
        most = CONCURRENCY_WAITING if self.waits else CONCURRENCY
        if self.concurrency > most:
            raise HandlerError(f"queue {self.queue!r}: concurrency is {self.concurrency}, must be {most} or less")


class Handler:
    """Subclass it, set `queue`, and write `handle`. `handle` may be `async def`.

    One instance is made in each worker, after the fork, with no arguments.
    """

    queue: ClassVar[str] = ""
    group: ClassVar[str] = "main"
    max_attempts: ClassVar[int] = DEFAULT_MAX_ATTEMPTS
    time_limit_seconds: ClassVar[float] = DEFAULT_TIME_LIMIT_SECONDS
    concurrency: ClassVar[int] = 1
    waits: ClassVar[bool] = False
    transactional: ClassVar[bool] = False
    backoff: ClassVar[Backoff] = Backoff()

    def handle(self, payload: Any, context: Context) -> Any:
        """Do the work. Return = done; raise `Retry`, `Discard`, or any other exception = failure."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """A handler ready to be called, with its options."""

    options: HandlerOptions
    call: Callable[[Any, Context], Any]
    is_async: bool
    origin: str
    """`module.name`, for messages."""


_OPTIONS_ATTRIBUTE = "__snqd_options__"


def handler(
    queue: str,
    *,
    group: str = "main",
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    time_limit_seconds: float = DEFAULT_TIME_LIMIT_SECONDS,
    concurrency: int = 1,
    waits: bool = False,
    transactional: bool = False,
    backoff: Backoff | None = None,
) -> Callable[[Callable[[Any, Context], Any]], Callable[[Any, Context], Any]]:
    """Decorate a function `(payload, context)`, plain or async, to handle the items of `queue`."""
    options = HandlerOptions(
        queue=queue,
        group=group,
        max_attempts=max_attempts,
        time_limit_seconds=time_limit_seconds,
        concurrency=concurrency,
        waits=waits,
        transactional=transactional,
        backoff=backoff if backoff is not None else Backoff(),
    )

    def mark(function: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
        if isinstance(function, type):
            raise HandlerError(f"@handler({queue!r}) decorates functions; for a class, derive from snqd.Handler")
        setattr(function, _OPTIONS_ATTRIBUTE, options)
        return function

    return mark


def bind(found: object, origin: str) -> BoundHandler | None:
    """The handler that `found` (a decorated function or a Handler subclass) is, or None if it is neither."""
    if isinstance(found, type) and issubclass(found, Handler) and found is not Handler:
        if not found.queue:
            if found.handle is Handler.handle:
                return None  # a base class of the application's own
            raise HandlerError(f"handler {origin}: set `queue` to the name of the queue that it handles")
        options = HandlerOptions(
            queue=found.queue,
            group=found.group,
            max_attempts=found.max_attempts,
            time_limit_seconds=found.time_limit_seconds,
            concurrency=found.concurrency,
            waits=found.waits,
            transactional=found.transactional,
            backoff=found.backoff,
        )
        instance = found()
        return BoundHandler(options, instance.handle, inspect.iscoroutinefunction(instance.handle), origin)
    options_found = getattr(found, _OPTIONS_ATTRIBUTE, None)
    if isinstance(options_found, HandlerOptions) and callable(found):
        return BoundHandler(options_found, found, inspect.iscoroutinefunction(found), origin)
    return None

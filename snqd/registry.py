"""The registry: which handler does which queue, after the configuration has had its say."""

from __future__ import annotations

import importlib
import importlib.metadata
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from snqd.errors import ConfigError, HandlerError
from snqd.handlers.base import BoundHandler, HandlerOptions, bind
from snqd.handlers.service import BoundService, bind_service
from snqd.items import QueueName
from snqd.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from snqd.config.schema import HandlersConfig, QueueConfig

ENTRY_POINTS = "snqd.handlers"


class QueueRegistry:
    """Handlers by queue. Registering two handlers for one queue is an error that names both."""

    def __init__(self) -> None:
        self._handlers: dict[QueueName, BoundHandler] = {}
        self._services: dict[str, BoundService] = {}

    def register(self, handler: BoundHandler) -> None:
        queue = QueueName(handler.options.queue)
        other = self._handlers.get(queue)
        if other is not None and other.origin != handler.origin:
            raise HandlerError(f"queue {queue!r} has two handlers, {other.origin} and {handler.origin}: keep one")
        if handler.options.transactional and (handler.is_async or handler.options.concurrency > 1):
            raise HandlerError(
                f"handler {handler.origin} of queue {queue!r} is transactional: "
                "it must be a plain function or method with concurrency 1"
            )
        self._handlers[queue] = handler

    def add(self, found: object, origin: str) -> bool:
        """Register `found` if it is a handler or a service, or both; whether it was."""
        bound = bind(found, origin)
        if bound is not None:
            self.register(bound)
        service = bind_service(found, origin, getattr(bound.call, "__self__", None) if bound is not None else None)
        if service is not None:
            self._services[origin] = service
        return bound is not None or service is not None

    def add_module(self, name: str, wanted_by: str = "handlers.modules") -> None:
        """Import a module and register every handler and service defined in it. Raises `HandlerError`."""
        module = _import(name, wanted_by)
        found = [self.add(value, f"{name}.{key}") for key, value in vars(module).items() if _belongs(value, module)]
        if not any(found):
            raise HandlerError(
                f"module {name!r} ({wanted_by}) has no handler and no service: decorate a function with "
                "@snqd.handler('queue'), or derive a class from snqd.Handler or snqd.Service"
            )

    def add_entry_points(self) -> None:
        """Register what installed packages offer as `snqd.handlers`: a module, a class or a function each."""
        for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
            wanted_by = f"entry point {point.name!r} of {point.dist.name if point.dist else 'a package'}"
            if point.attr:
                module = _import(point.module, wanted_by)
                if not self.add(getattr(module, point.attr, None), point.value):
                    raise HandlerError(f"{point.value!r} ({wanted_by}) is not a handler and no service")
            else:
                self.add_module(point.module, wanted_by)

    def override(self, queues: Mapping[str, QueueConfig]) -> None:
        """Apply `[queue.NAME]` sections. Raises `ConfigError` for a queue that nobody handles."""
        for name, wanted in queues.items():
            handler = self._handlers.get(QueueName(name))
            if handler is None:
                known = ", ".join(sorted(self._handlers)) or "none"
                raise ConfigError(f"[queue.{name}]: no handler is registered for this queue (registered: {known})")
            self._handlers[QueueName(name)] = _overridden(handler, wanted)

    def get(self, queue: str) -> BoundHandler | None:
        return self._handlers.get(QueueName(queue))

    def queues(self) -> tuple[QueueName, ...]:
        return tuple(sorted(self._handlers))

    def options(self) -> dict[QueueName, HandlerOptions]:
        """What is known of every queue."""
        return {queue: found.options for queue, found in self._handlers.items()}

    def in_group(self, group: str) -> dict[QueueName, BoundHandler]:
        """The handlers of the queues that daemons of `group` serve."""
        return {queue: found for queue, found in self._handlers.items() if found.options.group == group}

    def services_in(self, group: str) -> list[BoundService]:
        """The services that run in the workers of `group`."""
        return [found for found in self._services.values() if found.group == group]


def load_registry(
    handlers: HandlersConfig, queues: Mapping[str, QueueConfig], own: Sequence[str] = ()
) -> QueueRegistry:
    """Import everything the configuration names, and our `own` modules. Raises `HandlerError` or `ConfigError`."""
    registry = QueueRegistry()
    for name in own:
        registry.add_module(name, "snqd")
    for name in handlers.modules:
        registry.add_module(name)
    if handlers.entry_points:
        registry.add_entry_points()
    registry.override(queues)
    return registry


def _belongs(value: object, module: ModuleType) -> bool:
    """Handlers are found where they are defined, not where they are imported."""
    return getattr(value, "__module__", None) == module.__name__


def _import(name: str, wanted_by: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        where = _where(error)
        hint = ""
        if isinstance(error, ModuleNotFoundError) and error.name and name.split(".")[0] == error.name.split(".")[0]:
            hint = "; is its folder on PYTHONPATH, or its package installed?"
        raise HandlerError(
            f"handler module {name!r} ({wanted_by}) does not import: {type(error).__name__}: {error}{where}{hint}"
        ) from error


def _where(error: Exception) -> str:
    """` (file:line)` of the innermost frame that is the application's, when it says more than the message."""
    if isinstance(error, SyntaxError):
        return ""  # its message has file and line
    ours = ("<frozen", __file__.rpartition("/")[0])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]
    last = frames[-1] if frames else None
    if last is None or last.filename == importlib.__file__:
        return ""
    return f" ({last.filename}:{last.lineno})"


def _overridden(handler: BoundHandler, wanted: QueueConfig) -> BoundHandler:
    options = handler.options
    backoff = Backoff(
        first_seconds=_pick(wanted.retry_first_seconds, options.backoff.first_seconds),
        factor=_pick(wanted.retry_factor, options.backoff.factor),
        limit_seconds=_pick(wanted.retry_limit_seconds, options.backoff.limit_seconds),
        jitter=options.backoff.jitter,
    )
    options = replace(
        options,
        group=wanted.group if wanted.group is not None else options.group,
        max_attempts=wanted.max_attempts if wanted.max_attempts is not None else options.max_attempts,
        time_limit_seconds=_pick(wanted.time_limit_seconds, options.time_limit_seconds),
        concurrency=wanted.concurrency if wanted.concurrency is not None else options.concurrency,
        backoff=backoff,
    )
    return replace(handler, options=options)


def _pick(wanted: float | None, otherwise: float) -> float:
    return otherwise if wanted is None else wanted

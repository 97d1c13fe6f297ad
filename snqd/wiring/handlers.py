"""Importing handlers, and which of them this daemon serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.config.xmpp import is_wanted as is_xmpp_wanted
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName
    from snqd.registry import QueueRegistry


def load_registry(config: Config) -> QueueRegistry:
    """Import the handlers. Raises `HandlerError` or `ConfigError`."""
    from snqd.registry import load_registry as load

    import_from_working_directory()
    own = ("snqd.xmpp.service",) if is_xmpp_wanted(config) else ()
    return load(config.handlers, config.queue, own)


def served(registry: QueueRegistry, config: Config) -> dict[QueueName, BoundHandler]:
    """The handlers of the groups that this daemon serves. Raises `ConfigError` when there is none."""
    handlers = {queue: found for group in config.daemon.serve for queue, found in registry.in_group(group).items()}
    if not handlers and not any(registry.services_in(group) for group in config.daemon.serve):
        groups = ", ".join(config.daemon.serve)
        known = f"only for queues {', '.join(registry.queues())} of other groups" if registry.queues() else "at all"
        raise ConfigError(
            f"no handler for group {groups}, {known}: name the modules with your handlers in handlers.modules, "
            "or with --module"
        )
    return handlers


def served_queues(config: Config) -> tuple[QueueName, ...]:
    """The queues that this daemon serves. Imports the handlers."""
    return tuple(served(load_registry(config), config))


def import_from_working_directory() -> None:
    """Find modules beside the configuration as `python -m` does. Called before a detached daemon leaves the folder."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def preload() -> None:
    """Import the worker's own modules before the fork: a respawn then costs less, and the pages are shared.

    No driver and no handler is among them.
    """
    import snqd.worker.worker  # noqa: F401

"""Trying what a worker does when it starts, before any worker does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.errors import ConfigError
from snqd.wiring.handlers import load_registry, served
from snqd.wiring.sites import load_tenants
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from snqd.config.schema import Config


def try_start(config: Config) -> None:
    """Try what a worker does when it starts. Raises the `SnqdError` that would end it."""
    served(load_registry(config), config)
    if config.store.url.startswith(("memory:", "inline:")):
        raise ConfigError(
            f"store.url is {config.store.url}: it lives in one process, so workers could not share it; "
            "use sqlite:///file.db"
        )
    if config.store.url.startswith(("stomp:", "stomps:")):
        _refuse_what_no_broker_keeps(config)
    store = open_store(config)
    try:
        store.connect()
    finally:
        store.close()


def _refuse_what_no_broker_keeps(config: Config) -> None:
    """Raises `ConfigError` for settings that would silently not hold."""
    tenants = load_tenants(config, {})
    instead = "or use a PostgreSQL or SQLite store"
    if tenants.schedules():
        raise ConfigError(
            "there are schedules, and a STOMP broker cannot keep how far they have come: enqueue from cron instead, "
            f"{instead}"
        )
    if tenants.limits():
        raise ConfigError(
            "there are limits of what is in flight or begun in a second, and a STOMP broker does not count that: "
            f"take them out (store.prefetch_items and daemon.threads bound what runs), {instead}"
        )
    if config.store.dead_letter_days:
        raise ConfigError(
            "store.dead_letter_days is set, and a STOMP broker does not sort dead letters by age: use 'snqd dead "
            f"discard --older-than', {instead}"
        )

"""The declared sites, from files and from the store, and the items that waited for one to be declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.wiring.stores import open_desk, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snqd.config.catalogue import Catalogue, Declared
    from snqd.config.schema import Config
    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName
    from snqd.stores.desk import SiteRow
    from snqd.worker.tenants import Tenants

_SITES_ONE_BY_ONE = 20
"""Of more sites than that, all are looked at in one go."""


def find_sites(config: Config, *, before: Catalogue | None = None, again: str | None = None) -> dict[str, Declared]:
    """Read every declared site, from files and from the store. See `read_catalogue`. Raises `SnqdError`."""
    from snqd.config.sites import read_catalogue

    rows: Sequence[SiteRow] = ()
    if config.sites.table:
        desk = open_desk(config, name=f"{config.daemon.name}.sites")
        try:
            rows = desk.sites()
        finally:
            desk.close()
    return read_catalogue(config, rows, before=before or {}, again=again)


def declared_names(config: Config) -> list[str]:
    """Names of all declared sites, without reading their files."""
    from snqd.config.sites import site_names

    names = site_names(config)
    if not config.sites.table:
        return names
    desk = open_desk(config, name="known sites")
    try:
        return [*names, *(row.name for row in desk.sites())]
    finally:
        desk.close()


def load_tenants(config: Config, handlers: Mapping[QueueName, BoundHandler]) -> Tenants:
    """The sites for a process that has no daemon's image."""
    from snqd.worker.tenants import InMemory, Tenants

    source = InMemory(find_sites(config))
    return Tenants(config, handlers, lambda: source)


def release_parked(config: Config, sites: Sequence[str] = ()) -> None:
    """Make items ready that wait because their site was unknown or set aside; with `sites` only theirs.

    Workers that do not know the site yet park them again.
    """
    from snqd.stores.records import ItemFilter, ItemState
    from snqd.worker.tenants import SET_ASIDE, UNKNOWN_SITE

    names: Sequence[str | None] = sites if 0 < len(sites) <= _SITES_ONE_BY_ONE else (None,)
    store = open_store(config)
    if not store.shows_items:
        return  # they come back by themselves
    store.connect()
    try:
        for name in names:
            for note in (UNKNOWN_SITE, SET_ASIDE):
                store.retry_now(ItemFilter(state=ItemState.SCHEDULED, error=note, site=name))
    finally:
        store.close()

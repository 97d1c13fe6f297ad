"""Sites (tenants): declared as `[site.NAME]` tables and as files of `sites.directory`, one by one.

A site whose declaration is bad is set aside by name with a reason, and the others run on. It never falls back to
other settings: its items wait in the store.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.document import Document
from snqd.errors import BadItem, ConfigError
from snqd.items import DEFAULT_SITE, SiteName
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snqd.config.schema import Config

SUFFIX = ".toml"


class SiteTable(NamedTuple):
    """Every declared site: what its handlers see, or why it is set aside."""

    settings: Mapping[SiteName, Mapping[str, Any]]
    """`[settings]` overridden by the site's own, table by table. Cannot be changed, so that sites share what is equal
    and no handler can alter what another site sees.
    """
    set_aside: Mapping[str, str]
    """Site → one line that says what is wrong and where."""


def read_sites(config: Config) -> SiteTable:
    """Read every site's settings. Raises `ConfigError` when `sites.directory` itself cannot be read."""
    shared = config.settings
    settings: dict[SiteName, Mapping[str, Any]] = {}
    set_aside: dict[str, str] = {}
    for name, own in _declared(config):
        try:
            if name in settings or name in set_aside:
                settings.pop(SiteName(name), None)
                raise ConfigError("it is declared both in [site] and in sites.directory: remove one")
            check_name("site", name)
            settings[SiteName(name)] = _frozen(_overridden(shared, own() if callable(own) else _table(own)))
        except (ConfigError, BadItem) as error:
            set_aside[name] = f"site {name!r} is set aside: {error}"
    if not settings and not set_aside and config.sites.directory is None:
        settings[DEFAULT_SITE] = _frozen(shared)
    return SiteTable(settings, set_aside)


def site_names(config: Config) -> list[str]:
    """Names of all declared sites, set aside or not, without reading their files."""
    names = [name for name, _own in _declared(config)]
    return names if names or config.sites.directory is not None else [DEFAULT_SITE]


def _declared(config: Config) -> Iterator[tuple[str, Any]]:
    """Name and settings (or a function that reads them) of each declaration."""
    yield from config.site.items()
    if config.sites.directory is None:
        return
    for path in _files(Path(config.sites.directory)):
        yield path.name.removesuffix(SUFFIX), lambda path=path: Document(path).values


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
    except FileNotFoundError:
        raise ConfigError(
            f"sites.directory {directory}: there is no such folder: make it or correct the path"
        ) from None
    except OSError as error:
        raise ConfigError(f"sites.directory {directory}: cannot be read: {error.strerror}") from error


def _table(own: object) -> dict[str, Any]:
    if not isinstance(own, dict):
        raise ConfigError(f"it is {own!r}, must be a table of settings: write [site.NAME]")
    return own


def _overridden(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        both_tables = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _overridden(before or {}, value) if both_tables else value
    return merged


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value

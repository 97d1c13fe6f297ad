"""Sites (tenants): declared as `[site.NAME]` tables, as files of `sites.directory`, and as rows of the table `site`.

A site whose declaration is bad is set aside by name with a reason, and the others run on. It never falls back to
other settings: its items wait in the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from snqd.config.catalogue import Declared, Form
from snqd.config.document import Document
from snqd.config.site_options import site_options
from snqd.config.xmpp import check_own as check_own_xmpp
from snqd.errors import BadItem, ConfigError
from snqd.items import DEFAULT_SITE
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from snqd.config.catalogue import Catalogue
    from snqd.config.schema import Config

SUFFIX = ".toml"
TABLE = "table site"
_TICK_NS = 50_000_000
_NOTHING: Mapping[str, Declared] = MappingProxyType({})


def read_catalogue(
    config: Config, rows: Iterable[tuple[str, str]] = (), *, before: Catalogue = _NOTHING, again: str | None = None
) -> dict[str, Declared]:
    """Every declared site, by name. Raises `ConfigError` when `sites.directory` itself cannot be read.

    `rows`: name and JSON of each site of the table. Of `before`, files that look untouched are taken as they were, but
    for the site `again`.
    """
    found: dict[str, Declared] = {}
    for name, site in _declared(config, rows, before, again):
        other = found.get(name)
        found[name] = site if other is None else _declared_twice(name, other, site)
    if not found and config.sites.directory is None and not config.sites.table:
        found[DEFAULT_SITE] = Declared(Form.CONFIG, "no site is declared")
    return found


def own_settings(name: str, site: Declared, config: Config) -> Mapping[str, Any]:
    """A site's own settings. Raises `ConfigError` if it is set aside, `KeyError` if the configuration lacks it."""
    if site.problem:
        raise ConfigError(site.problem)
    if site.form == Form.TOML:
        return tomllib.loads(site.text)
    if site.form == Form.JSON:
        return dict(json.loads(site.text))
    return {} if not config.site and name == DEFAULT_SITE else config.site[name]


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """`[settings]` overridden by a site's own, table by table, and frozen: no handler can alter what another sees."""
    found: Mapping[str, Any] = _frozen(_overridden(shared, own))
    return found


def site_names(config: Config) -> list[str]:
    """Names of the sites that files declare, set aside or not, without reading them; not those of the table."""
    names = [*config.site, *(entry.name.removesuffix(SUFFIX) for entry in _entries(config))]
    return names if names or config.sites.directory is not None else [DEFAULT_SITE]


def is_declaration(name: str) -> bool:
    """Whether a file of `sites.directory` with this name declares a site."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def _declared(
    config: Config, rows: Iterable[tuple[str, str]], before: Catalogue, again: str | None
) -> Iterator[tuple[str, Declared]]:
    for name, own in config.site.items():
        print_ = hashlib.sha256(repr(own).encode(errors="replace")).hexdigest()
        yield name, _checked(name, Declared(Form.CONFIG, f"[site.{name}]", text=print_), own)
    for entry in _entries(config):
        name = entry.name.removesuffix(SUFFIX)
        yield name, _from_file(name, entry, before.get(name) if name != again else None)
    for name, text in rows:
        known = before.get(name)
        is_known = known is not None and known.form == Form.JSON and known.text == text
        yield name, known if known is not None and is_known else _from_row(name, text)


def _from_file(name: str, entry: os.DirEntry[str], known: Declared | None) -> Declared:
    try:
        found = entry.stat()
        # Within a tick of its clock a file can change once more without another time of change.
        is_settled = abs(time.time_ns() - found.st_mtime_ns) > _TICK_NS
        stamp = f"{found.st_mtime_ns} {found.st_size} {found.st_ino}" if is_settled else ""
    except OSError:  # it is gone meanwhile, or a link that leads nowhere: reading it will say so
        stamp = ""
    if known is not None and stamp and (known.source, known.stamp) == (entry.path, stamp):
        return known
    site = Declared(Form.TOML, os.fsencode(entry.path).decode(errors="replace"), stamp)
    try:
        document = Document(Path(entry.path))
    except ConfigError as error:
        return site._replace(problem=str(error))
    return _checked(name, site._replace(text=document.text), document.values)


def _from_row(name: str, text: str) -> Declared:
    site = Declared(Form.JSON, TABLE, text=text)
    try:
        own = json.loads(text)
    except ValueError as error:
        return site._replace(problem=f"{TABLE}: settings are not valid JSON: {error}")
    return _checked(name, site, own)


def _checked(name: str, site: Declared, own: object) -> Declared:
    try:
        check_name("site", name)
        if not isinstance(own, dict):
            raise ConfigError(f"it is {own!r}, must be a table of settings: write [site.NAME]")
        options = site_options(own)
        check_own_xmpp(own)
    except (ConfigError, BadItem) as error:
        return site._replace(problem=f"{site.source}: {error}")
    return site._replace(queues=options.queues, schedules=dict(options.schedules), claims=options.claims)


def _declared_twice(name: str, one: Declared, other: Declared) -> Declared:
    return one._replace(
        stamp="",  # to be read again
        problem=f"site {name!r} is declared both in {_place(one)} and in {_place(other)}: remove one",
        text=f"{one.text}\n{other.text}",
        claims="",
    )


def _place(site: Declared) -> str:
    return {Form.TOML: "sites.directory", Form.JSON: "the table site", Form.CONFIG: "[site]"}[Form(site.form)]


def _entries(config: Config) -> list[os.DirEntry[str]]:
    """The files of `sites.directory`, by name."""
    directory = config.sites.directory
    if directory is None:
        return []
    try:
        with os.scandir(directory) as entries:
            found = [entry for entry in entries if is_declaration(entry.name)]
    except FileNotFoundError:
        raise ConfigError(
            f"sites.directory {directory}: there is no such folder: make it or correct the path"
        ) from None
    except OSError as error:
        raise ConfigError(f"sites.directory {directory}: cannot be read: {error.strerror}") from error
    return sorted(found, key=lambda entry: entry.name)


def _overridden(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(shared)
    for key, value in own.items():
        before = found.get(key)
        both_tables = isinstance(before, dict) and isinstance(value, dict)
        found[key] = _overridden(before or {}, value) if both_tables else value
    return found


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value

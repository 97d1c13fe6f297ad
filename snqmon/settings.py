"""The monitor's file: `--config FILE`, else `$XDG_CONFIG_HOME/snqmon.toml`. Its types, and errors that name the line.

Whatever stands in it can be given on the command line or in the environment too, but for `[thresholds]` and `[keys]`;
the command line wins over the environment, and the environment over the file.
"""

from __future__ import annotations

import difflib
import os
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.config.document import Document
from snqd.errors import ConfigError
from snqd.telemetry import addresses
from snqmon.keys import keymap
from snqmon.model.thresholds import Thresholds, read_thresholds
from snqmon.options import FASTEST_SECONDS, SLOWEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "snqmon.toml"


class HubSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hub, with a key of its own: `{ address = "db7:5480", key_file = "/etc/snqd/db7.key" }`."""

    address: str
    key_file: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that may stand in the file. All of it is optional."""

    hubs: tuple[str | HubSetting, ...] = ()
    """Where to subscribe, `HOST:PORT`; a table `{ address, key_file }` for one with a key of its own."""
    listen: str | None = None
    """UDP address at which daemons push (`telemetry.monitors`), `HOST:PORT`; one that others can reach needs a key."""
    listen_legacy: str | None = None
    """UDP address at which StatusNet 0.9 and GNU social send their monitor pings, `HOST:PORT`."""
    legacy_from: tuple[str, ...] = ()
    """Addresses or networks whose pings are believed; an address that others can reach needs it."""
    key_file: str | None = None
    """File whose first line is the daemons' `telemetry.key`."""
    theme: str = ""
    """Name of a theme; empty = the default one."""
    refresh_seconds: float = 1.0
    """How often the screen is drawn, 0.25 to 10."""
    ascii: bool = False
    """Draw with ASCII only."""
    web: str | None = None
    """Where `--web` serves, `HOST:PORT`; without it on loopback."""
    thresholds: Thresholds = Thresholds()
    """From which figure on to look, and from which on to act."""
    keys: dict[str, str | list[str]] = {}
    """A key's name → what to press instead, one or a list; an empty list takes the key away."""


def find_file(given: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the one that was `given`, which has to be there, or the usual one if there is one."""
    if given:
        return Path(given).expanduser()
    folder = environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    usual = Path(folder) / NAME
    return usual if usual.is_file() else None


def read_settings(path: Path | None) -> Settings:
    """Raises `ConfigError`, one line with file, line, key, what was found and what was expected."""
    if path is None:
        return Settings()
    document = Document(path)
    found: dict[str, Any] = {name: _value(document, name, value) for name, value in document.values.items()}
    settings = Settings(**found)
    for name, check in _CHECKS.items():
        if name in document.values:
            _check(document, name, check, getattr(settings, name))
    return _anchored(settings, path.parent)


def _value(document: Document, name: str, value: object) -> object:
    place = document.place((name,))
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(kinds)}"
        raise ConfigError(f"{place}: unknown key {name}: {hint}")
    if name == "thresholds" and isinstance(value, dict):
        return read_thresholds(value, where=f"{document.place((name, *_first_wrong(value)))}: thresholds")
    try:
        return msgspec.convert(value, kinds[name])
    except msgspec.ValidationError:
        raise ConfigError(f"{place}: {name} is {_shown(value)}: must be {_EXPECTED[name]}") from None


def _first_wrong(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The first entry of `[thresholds]` that cannot stand alone."""
    for name, value in table.items():
        try:
            read_thresholds({name: value})
        except ConfigError:
            return (name,)
    return ()


def _check(document: Document, name: str, check: Callable[[Any, str], None], value: object) -> None:
    place = f"{document.place((name,))}: {name}"
    try:
        check(value, place)
    except ValueError as error:
        raise ConfigError(f"{place} is {_shown(document.values[name])}: {error}") from None


def _check_hubs(hubs: tuple[str | HubSetting, ...], _place: str) -> None:
    for hub in hubs:
        check_address(hub if isinstance(hub, str) else hub.address)


def check_address(text: str, _place: str = "") -> None:
    """Raise `ValueError` in words unless it is `HOST:PORT`, or `HOST` with the usual port."""
    addresses.parse(text)


def check_networks(networks: tuple[str, ...], _place: str = "") -> None:
    for text in networks:
        try:
            ip_network(text)
        except ValueError as error:
            raise ValueError(f"must be addresses or networks, as in '192.0.2.7' or '10.0.0.0/8': {error}") from None


def check_refresh(seconds: float, _place: str = "") -> None:
    if not FASTEST_SECONDS <= seconds <= SLOWEST_SECONDS:
        raise ValueError(f"must be {FASTEST_SECONDS:g} to {SLOWEST_SECONDS:g} seconds")


def _check_keys(keys: Mapping[str, str | list[str]], place: str) -> None:
    keymap(keys, source=place)


_CHECKS: dict[str, Callable[[Any, str], None]] = {
    "hubs": _check_hubs,
    "listen": check_address,
    "listen_legacy": check_address,
    "legacy_from": check_networks,
    "refresh_seconds": check_refresh,
    "web": check_address,
    "keys": _check_keys,
}


_EXPECTED = {
    "hubs": 'a list of "HOST:PORT" and of { address = "HOST:PORT", key_file = "FILE" }',
    "listen": 'an address, "HOST:PORT"',
    "listen_legacy": 'an address, "HOST:PORT"',
    "legacy_from": "a list of addresses and networks, such as 192.0.2.7 or 10.0.0.0/8",
    "key_file": "the name of a file",
    "theme": "the name of a theme",
    "refresh_seconds": "a number",
    "ascii": "true or false",
    "web": 'an address, "HOST:PORT"',
    "thresholds": "a table: write [thresholds]",
    "keys": 'a table in which each is a key or a list of keys: quit = "x"',
}


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Relative paths begin at the file's folder."""

    def anchored(path: str | None) -> str | None:
        return None if path is None else str(folder / Path(path).expanduser())

    hubs = tuple(
        hub if isinstance(hub, str) else msgspec.structs.replace(hub, key_file=anchored(hub.key_file))
        for hub in settings.hubs
    )
    return msgspec.structs.replace(settings, hubs=hubs, key_file=anchored(settings.key_file))


def _shown(value: object) -> str:
    """As it stands in the file, or nearly so."""
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else text[:59] + "…"

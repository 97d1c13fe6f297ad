"""What every function of the application is given: the database, the site, its settings, and how to enqueue."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

import snqd
from notices.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[settings.notices]`, or `[site.NAME.notices]` for one site."""

    name: str = "Notices"
    """How the site calls itself."""
    url: str = "http://localhost"
    """Where its pages are, without a slash at the end."""
    length: int = 140
    """Most characters of a notice; 0 = no limit."""
    public: tuple[str, ...] = ()
    """JIDs that get every public notice."""


class App(NamedTuple):
    database: Database
    site: str
    settings: Settings
    enqueue: Callable[..., Any]
    """`(queue, payload, **options)`, as of `snqd.enqueue`: an item for this site, in the database's transaction."""


class Refused(Exception):
    """What a person asked for cannot be done; the message tells that person why."""


def app_of(context: snqd.Context) -> App:
    """The application as a `transactional` handler sees it."""
    settings = read_settings(context.site.settings)
    return App(Database(context.need_connection()), context.site.name, settings, context.enqueue)


def app_on(connection: Any, site: str = "default", settings: Settings | None = None) -> App:
    """The application on a connection of yours: for a web request or a script. You commit."""
    return App(Database(connection), site, settings or Settings(), partial(_enqueue, connection, site))


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """Raises `ValueError` that names the wrong key."""
    try:
        return msgspec.convert(_plain(settings.get("notices", {})), Settings)
    except msgspec.ValidationError as error:
        raise ValueError(f"[settings.notices] of the site: {error}") from error


def _enqueue(connection: Any, site: str, queue: str, payload: Any, /, **options: Any) -> Any:
    return snqd.enqueue(connection, queue, payload, site=site, **options)


def _plain(value: Any) -> Any:
    """Settings are read-only views; msgspec wants dicts and lists."""
    if hasattr(value, "items"):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value

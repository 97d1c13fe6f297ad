"""Writing a notice: what its text addresses, and the item that starts its way."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from notices import people
from notices.app import Refused

if TYPE_CHECKING:
    from notices.app import App

_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+$", re.IGNORECASE)
_NAMED = re.compile(r"(?<![\w@!])([@!])([a-z0-9_]{1,64})\b", re.IGNORECASE)


class Notice(NamedTuple):
    id: int
    author: people.Profile
    uri: str
    """What it is known by everywhere, for ever."""
    url: str
    """Where people can read it."""
    content: str
    is_public: bool
    created: int
    """Epoch seconds."""


class Addressed(NamedTuple):
    """Nicknames in a text, in lower case."""

    people: frozenset[str]
    groups: frozenset[str]


def addressed(content: str) -> Addressed:
    """Whom a text names by @nickname, and which groups by !nickname."""
    found: dict[str, set[str]] = {"@": set(), "!": set()}
    for sign, nickname in _NAMED.findall(content):
        found[sign].add(nickname.lower())
    return Addressed(frozenset(found["@"]), frozenset(found["!"]))


def post(app: App, author: int, content: str, *, source: str, is_public: bool = True, to: tuple[int, ...] = ()) -> int:
    """Save a notice and queue its distribution, in one transaction; its id.

    `to`: profiles that it is for besides those that it names. One that is not public goes to them and nobody else.
    Raises `Refused` for a text that is empty or too long.
    """
    content = content.strip()
    if not content:
        raise Refused("There is nothing in it.")
    if 0 < app.settings.length < len(content):
        raise Refused(f"That is {len(content)} characters, and the longest notice has {app.settings.length}.")
    number = _insert(app, author, content, source=source, is_public=is_public)
    assert number is not None  # without a URI, nothing can be in the way
    _address(app, number, author, content, to=to, with_groups=is_public)
    distribute_later(app, number)
    return number


def post_from_elsewhere(
    app: App, author: int, content: str, *, uri: str, url: str, source: str, created: int
) -> int | None:
    """Save a notice and queue its distribution; None when this author's notice with this URI was saved before.

    `uri`: what its source calls it. `created`: epoch seconds. Its length is its source's business.
    """
    number = _insert(app, author, content.strip(), source=source, uri=uri, url=url, created=created)
    if number is not None:
        distribute_later(app, number)
    return number


def distribute_later(app: App, number: int) -> None:
    app.enqueue("distrib", number, unique_key=f"notice {number}")


def read(app: App, number: int) -> Notice | None:
    """A notice with its author."""
    row = app.database.row(
        "SELECT id, profile_id, uri, url, content, is_public, created FROM notice WHERE site = :site AND id = :id",
        site=app.site, id=number,
    )  # fmt: skip
    if row is None:
        return None
    author = people.by_id(app, row[1])
    assert author is not None
    here = f"{app.settings.url}/notice/{number}"
    uri = row[2] if row[2] and _URI.match(row[2]) else here  # RSS may call its items anything
    return Notice(number, author, uri, row[3] or here, row[4], bool(row[5]), row[6])


def last_of(app: App, author: int) -> Notice | None:
    """Somebody's latest public notice."""
    number = app.database.value("SELECT max(id) FROM notice WHERE profile_id = :id AND is_public", id=author)
    return None if number is None else read(app, number)


def _insert(
    app: App,
    author: int,
    content: str,
    *,
    source: str,
    is_public: bool = True,
    uri: str | None = None,
    url: str | None = None,
    created: int | None = None,
) -> int | None:
    number: int | None = app.database.value(
        "INSERT INTO notice (site, profile_id, uri, url, content, is_public, source, created)"
        " VALUES (:site, :author, :uri, :url, :content, :is_public, :source, :created)"
        " ON CONFLICT DO NOTHING RETURNING id",
        site=app.site, author=author, uri=uri, url=url, content=content, is_public=is_public, source=source,
        created=int(time.time()) if created is None else created,
    )  # fmt: skip
    return number


def _address(app: App, number: int, author: int, content: str, *, to: tuple[int, ...], with_groups: bool) -> None:
    """Note whom the notice is for. Names that nobody has are just words."""
    named = addressed(content)
    profiles = set(to)
    for nickname in named.people:
        found = app.database.value(
            "SELECT id FROM profile WHERE site = :site AND nickname = :nickname AND is_local",
            site=app.site, nickname=nickname,
        )  # fmt: skip
        if found is not None and with_groups:
            profiles.add(found)
    for profile in profiles:
        app.database.run(
            "INSERT INTO addressee (notice_id, profile_id) VALUES (:notice, :profile) ON CONFLICT DO NOTHING",
            notice=number, profile=profile,
        )  # fmt: skip
    for nickname in named.groups if with_groups else ():
        app.database.run(
            "INSERT INTO group_notice (notice_id, group_id)"
            " SELECT :notice, group_id FROM group_member JOIN user_group ON id = group_id"  # only members write to it
            " WHERE site = :site AND nickname = :nickname AND profile_id = :author ON CONFLICT DO NOTHING",
            notice=number, site=app.site, nickname=nickname, author=author,
        )  # fmt: skip

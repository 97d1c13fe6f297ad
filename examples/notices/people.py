"""Profiles, members, subscriptions and groups: what is asked of them, and what is changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from notices.app import Refused

if TYPE_CHECKING:
    from notices.app import App

NICKNAME = re.compile(r"[a-z0-9_]{1,64}")
_PROFILE = "profile.id, profile.nickname, profile.full_name, profile.url, profile.is_local"
_MEMBER = f"{_PROFILE}, member.jid, member.jabber_notify, member.jabber_replies"


class Profile(NamedTuple):
    id: int
    nickname: str
    full_name: str
    url: str
    is_local: bool


class Member(NamedTuple):
    """A profile that has an account here, with its XMPP address and what is sent there."""

    id: int
    nickname: str
    full_name: str
    url: str
    is_local: bool
    jid: str | None
    jabber_notify: bool
    jabber_replies: bool


def register(app: App, nickname: str, full_name: str = "", *, jid: str | None = None) -> int:
    """A new member; the id of the profile. `jid`: an address that is known to be theirs. Raises `Refused`."""
    nickname = nickname.lower()
    if not NICKNAME.fullmatch(nickname):
        raise Refused(f"{nickname!r} is no nickname: 1 to 64 letters, digits and underscores.")
    number = _new_profile(app, nickname, full_name, f"{app.settings.url}/{nickname}", is_local=True)
    if number is None:
        raise Refused(f"The nickname {nickname} is taken.")
    app.database.run(
        "INSERT INTO member (profile_id, site, jid) VALUES (:id, :site, :jid)",
        id=number, site=app.site, jid=jid and jid.lower(),
    )  # fmt: skip
    return number


def remote_profile(app: App, nickname: str, url: str, full_name: str = "") -> int:
    """The id of the profile of somebody elsewhere, made if it is not there yet."""
    found = app.database.value("SELECT id FROM profile WHERE site = :site AND url = :url", site=app.site, url=url)
    if found is None:
        found = _new_profile(app, nickname, full_name, url, is_local=False)
    number: int = found
    return number


def _new_profile(app: App, nickname: str, full_name: str, url: str, *, is_local: bool) -> int | None:
    number: int | None = app.database.value(
        "INSERT INTO profile (site, nickname, full_name, url, is_local)"
        " VALUES (:site, :nickname, :full_name, :url, :is_local) ON CONFLICT DO NOTHING RETURNING id",
        site=app.site, nickname=nickname, full_name=full_name, url=url, is_local=is_local,
    )  # fmt: skip
    return number


def find(app: App, nickname: str) -> Profile:
    """The member of that nickname, with or without @. Raises `Refused`."""
    nickname = nickname.removeprefix("@").lower()
    row = app.database.row(
        f"SELECT {_PROFILE} FROM profile WHERE site = :site AND nickname = :nickname AND is_local",  # noqa: S608
        site=app.site, nickname=nickname,
    )  # fmt: skip
    if row is None:
        raise Refused(f"There is no {nickname} here.")
    return Profile(*row)


def by_id(app: App, number: int) -> Profile | None:
    row = app.database.row(
        f"SELECT {_PROFILE} FROM profile WHERE site = :site AND id = :id", site=app.site, id=number  # noqa: S608
    )  # fmt: skip
    return None if row is None else Profile(*row)


def member_of_jid(app: App, jid: str) -> Member | None:
    """Who reads at the bare JID `jid`."""
    row = app.database.row(
        f"SELECT {_MEMBER} FROM member JOIN profile ON profile.id = member.profile_id"  # noqa: S608
        " WHERE member.site = :site AND member.jid = :jid",
        site=app.site, jid=jid.lower(),
    )  # fmt: skip
    return None if row is None else Member(*row)


def set_notify(app: App, member: int, *, is_on: bool) -> None:
    app.database.run("UPDATE member SET jabber_notify = :is_on WHERE profile_id = :id", is_on=is_on, id=member)


def set_subscription_notify(app: App, subscriber: int, subscribed: Profile, *, is_on: bool) -> None:
    """Raises `Refused` without a subscription."""
    changed = app.database.run(
        "UPDATE subscription SET jabber = :is_on WHERE subscriber = :subscriber AND subscribed = :subscribed"
        " RETURNING subscribed",
        is_on=is_on, subscriber=subscriber, subscribed=subscribed.id,
    )  # fmt: skip
    if not changed:
        raise Refused(f"You are not subscribed to {subscribed.nickname}.")


def subscribe(app: App, subscriber: int, subscribed: Profile) -> None:
    """Doing it twice does nothing. Raises `Refused` for oneself."""
    if subscriber == subscribed.id:
        raise Refused("You cannot subscribe to yourself.")
    app.database.run(
        "INSERT INTO subscription (subscriber, subscribed) VALUES (:subscriber, :subscribed) ON CONFLICT DO NOTHING",
        subscriber=subscriber, subscribed=subscribed.id,
    )  # fmt: skip


def unsubscribe(app: App, subscriber: int, subscribed: Profile) -> None:
    """Raises `Refused` without a subscription."""
    gone = app.database.run(
        "DELETE FROM subscription WHERE subscriber = :subscriber AND subscribed = :subscribed RETURNING subscribed",
        subscriber=subscriber, subscribed=subscribed.id,
    )  # fmt: skip
    if not gone:
        raise Refused(f"You are not subscribed to {subscribed.nickname}.")


def subscriptions(app: App, number: int) -> list[str]:
    """Nicknames of those whom a profile follows, the first hundred."""
    rows = app.database.run(
        "SELECT nickname FROM subscription JOIN profile ON id = subscribed WHERE subscriber = :id"
        " ORDER BY nickname LIMIT 100",
        id=number,
    )
    return [nickname for (nickname,) in rows]


def subscribers(app: App, number: int) -> list[str]:
    """Nicknames of those who follow a profile, the first hundred."""
    rows = app.database.run(
        "SELECT nickname FROM subscription JOIN profile ON id = subscriber WHERE subscribed = :id"
        " ORDER BY nickname LIMIT 100",
        id=number,
    )
    return [nickname for (nickname,) in rows]


def make_group(app: App, nickname: str) -> int:
    """The id of a group, made if it is not there yet. Raises `Refused`."""
    nickname = nickname.lower()
    if not NICKNAME.fullmatch(nickname):
        raise Refused(f"{nickname!r} is no name of a group: 1 to 64 letters, digits and underscores.")
    app.database.run(
        "INSERT INTO user_group (site, nickname) VALUES (:site, :nickname) ON CONFLICT DO NOTHING",
        site=app.site, nickname=nickname,
    )  # fmt: skip
    return find_group(app, nickname)


def find_group(app: App, nickname: str) -> int:
    """The id of a group, with or without !. Raises `Refused`."""
    nickname = nickname.removeprefix("!").lower()
    number: int | None = app.database.value(
        "SELECT id FROM user_group WHERE site = :site AND nickname = :nickname", site=app.site, nickname=nickname
    )
    if number is None:
        raise Refused(f"There is no group {nickname} here.")
    return number


def join_group(app: App, member: int, group: int) -> None:
    app.database.run(
        "INSERT INTO group_member (group_id, profile_id) VALUES (:group_id, :id) ON CONFLICT DO NOTHING",
        group_id=group, id=member,
    )  # fmt: skip


def leave_group(app: App, member: int, group: int) -> None:
    """Raises `Refused` for those who are not in it."""
    gone = app.database.run(
        "DELETE FROM group_member WHERE group_id = :group_id AND profile_id = :id RETURNING group_id",
        group_id=group, id=member,
    )  # fmt: skip
    if not gone:
        raise Refused("You are not in that group.")


def groups(app: App, member: int) -> list[str]:
    rows = app.database.run(
        "SELECT nickname FROM group_member JOIN user_group ON id = group_id WHERE profile_id = :id ORDER BY nickname",
        id=member,
    )
    return [nickname for (nickname,) in rows]


def counts(app: App, number: int) -> tuple[int, int, int]:
    """How many notices, subscriptions and subscribers a profile has."""
    row = app.database.row(
        "SELECT (SELECT count(*) FROM notice WHERE profile_id = :id),"
        " (SELECT count(*) FROM subscription WHERE subscriber = :id),"
        " (SELECT count(*) FROM subscription WHERE subscribed = :id)",
        id=number,
    )
    assert row is not None
    return row[0], row[1], row[2]

"""Which feeds are followed, which are due, and what is new in one. Everything here is in the caller's transaction."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import msgspec

from feeds.parsing import Entry  # noqa: TC001  (msgspec reads the annotation)
from feeds.schedule import Answer, wait_seconds
from notices import people, posting

if TYPE_CHECKING:
    from notices.app import App
    from notices.database import Database

DUE_LIMIT = 1000
FORGET_SECONDS = 30 * 24 * 3600


class Poll(msgspec.Struct, frozen=True):
    """Payload of `feedpoll`: all that it takes to ask."""

    feed: int
    url: str
    etag: str | None = None
    last_modified: str | None = None


class Found(msgspec.Struct, frozen=True):
    """Payload of `feedfound`: how the server answered, and what was in it."""

    feed: int
    status: int
    error: str = ""
    retry_after: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    moved_to: str | None = None
    entries: tuple[Entry, ...] = ()


class Due(msgspec.Struct, frozen=True):
    """A feed that is to be asked now, and its site."""

    site: str
    poll: Poll


def follow(app: App, url: str, nickname: str, *, interval_seconds: int = 900) -> int:
    """Follow a feed as notices of a remote profile; the feed's id. Doing it twice does nothing."""
    profile = people.remote_profile(app, nickname, url)
    app.database.run(
        "INSERT INTO feed (site, url, profile_id, interval_seconds, next_poll)"
        " VALUES (:site, :url, :profile, :interval, 0) ON CONFLICT DO NOTHING",
        site=app.site, url=url, profile=profile, interval=interval_seconds,
    )  # fmt: skip
    number: int = app.database.value("SELECT id FROM feed WHERE site = :site AND url = :url", site=app.site, url=url)
    return number


def take_due(database: Database, now: float, *, taken_seconds: float) -> list[Due]:
    """Feeds of all sites that are to be asked by `now`; they are not due again for `taken_seconds`."""
    rows = database.run(
        "UPDATE feed SET next_poll = :later WHERE next_poll <= :now AND id IN"
        " (SELECT id FROM feed WHERE next_poll <= :now AND NOT is_gone ORDER BY next_poll LIMIT :limit)"
        " RETURNING site, id, url, etag, last_modified",
        now=int(now), later=int(now + taken_seconds), limit=DUE_LIMIT,
    )  # fmt: skip
    return [Due(site, Poll(*rest)) for site, *rest in rows]


def keep(app: App, found: Found) -> int:
    """Note what became of a poll, queue the entries that were not there before, and say when to ask again.

    How many were queued. What a feed holds when it is read for the first time is not new.
    """
    row = app.database.row(
        "SELECT failures, interval_seconds, is_read FROM feed WHERE site = :site AND id = :id",
        site=app.site, id=found.feed,
    )  # fmt: skip
    if row is None:
        return 0  # nobody follows it any more
    failures, interval, is_read = row
    answer = Answer(found.status, found.error, found.retry_after)
    failures = 0 if answer.is_good else failures + 1
    wait = wait_seconds(answer, failures=failures, interval=interval, chance=random.random())
    fresh = _fresh(app, found) if answer.is_good else []
    app.database.run(
        "UPDATE feed SET failures = :failures, last_error = :error, next_poll = :next_poll, is_gone = :is_gone,"
        " is_read = :is_read, etag = :etag, last_modified = :last_modified WHERE id = :id",
        id=found.feed, failures=failures, error=found.error, next_poll=int(time.time() + wait),
        is_gone=answer.is_gone, is_read=bool(is_read) or (found.status == 200 and answer.is_good),
        **_validators(app, found),
    )  # fmt: skip
    if found.moved_to:
        _move(app, found.feed, found.moved_to)
    if not is_read:
        return 0
    for entry in reversed(fresh):  # the oldest first, as they were written
        app.enqueue("feedentry", {"feed": found.feed, "entry": msgspec.to_builtins(entry)})
    return len(fresh)


def post(app: App, feed: int, entry: Entry) -> int | None:
    """An entry as a notice; its id, None when it was posted before or the feed is not followed any more."""
    profile = app.database.value("SELECT profile_id FROM feed WHERE site = :site AND id = :id", site=app.site, id=feed)
    content = _content(entry, app.settings.length)
    if profile is None or not content:
        return None
    created = int(time.time()) if entry.published is None else min(entry.published, int(time.time()))
    return posting.post_from_elsewhere(
        app, profile, content, uri=entry.id, url=entry.link, source="feed", created=created
    )


def _fresh(app: App, found: Found) -> list[Entry]:
    """Entries that were not seen before; those that were are seen again, and forgotten long after they are gone."""
    now = int(time.time())
    fresh = []
    for entry in found.entries:
        seen = app.database.value(
            "SELECT seen FROM feed_entry WHERE feed_id = :feed AND entry = :entry", feed=found.feed, entry=entry.id
        )
        app.database.run(
            "INSERT INTO feed_entry (feed_id, entry, seen) VALUES (:feed, :entry, :now)"
            " ON CONFLICT (feed_id, entry) DO UPDATE SET seen = :now",
            feed=found.feed, entry=entry.id, now=now,
        )  # fmt: skip
        if seen is None:
            fresh.append(entry)
    if found.entries:
        app.database.run(
            "DELETE FROM feed_entry WHERE feed_id = :feed AND seen < :oldest",
            feed=found.feed, oldest=now - FORGET_SECONDS,
        )  # fmt: skip
    return fresh


def _validators(app: App, found: Found) -> dict[str, Any]:
    """What to ask with the next time: what a 200 came with; else what there is, which a 304 confirms."""
    if found.status == 200 and not found.error:
        return {"etag": found.etag, "last_modified": found.last_modified}
    row = app.database.row("SELECT etag, last_modified FROM feed WHERE id = :id", id=found.feed)
    assert row is not None
    return {"etag": row[0], "last_modified": row[1]}


def _move(app: App, feed: int, url: str) -> None:
    """Unless the new address is followed already."""
    app.database.run(
        "UPDATE feed SET url = :url WHERE id = :id AND NOT EXISTS"
        " (SELECT 1 FROM feed AS other WHERE other.site = :site AND other.url = :url)",
        url=url, id=feed, site=app.site,
    )  # fmt: skip


def _content(entry: Entry, length: int) -> str:
    """Title and link, the title shortened so that both fit; the title alone where the link does not leave it room."""
    whole = f"{entry.title} {entry.link}".strip()
    if not length or len(whole) <= length:
        return whole
    room = length - len(entry.link) - 2
    if room >= length // 4:
        return f"{entry.title[:room]}… {entry.link}"
    return f"{entry.title[: length - 1]}…" if len(entry.title) > length else entry.title or entry.link[:length]

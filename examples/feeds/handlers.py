"""The handlers: `[handlers] modules = ["notices.handlers", "feeds.handlers"]`."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from feeds import following
from feeds.fetching import SECONDS, fetch
from feeds.following import Found, Poll
from feeds.parsing import Entry, NoFeed, parse
from notices.app import app_of
from snqd import Context, handler


@handler("feedpoll", concurrency=16, time_limit_seconds=2 * SECONDS)
async def feedpoll(payload: Any, context: Context) -> None:
    """Ask one feed's server. Touches no table: what was found goes on in the transaction that ends this item."""
    found = await ask(msgspec.convert(payload, Poll))
    context.enqueue("feedfound", msgspec.to_builtins(found), atomically=True, unique_key=f"feed {found.feed}")


@handler("feedfound", transactional=True)
def feedfound(payload: Any, context: Context) -> None:
    """Note what became of a poll, and queue what is new."""
    found = msgspec.convert(payload, Found)
    fresh = following.keep(app_of(context), found)
    if found.error:
        context.logger.warning("feed %s: %s", found.feed, found.error)
    elif fresh:
        context.logger.info("feed %s: %s new", found.feed, fresh)


@handler("feedentry", transactional=True)
def feedentry(payload: Any, context: Context) -> None:
    """Post one entry as a notice of the remote profile."""
    following.post(app_of(context), payload["feed"], msgspec.convert(payload["entry"], Entry))


async def ask(poll: Poll) -> Found:
    """Fetch and parse. A document that is no feed is a failure like any other."""
    fetched = await fetch(poll.url, etag=poll.etag, last_modified=poll.last_modified)
    answer = fetched.answer
    if answer.is_good and answer.status == 200:
        try:
            # In a thread: a large feed takes a second, and this worker waits for fifteen others.
            entries = await asyncio.to_thread(
                parse, fetched.document, url=fetched.url, content_type=fetched.content_type
            )
        except NoFeed as error:
            return Found(poll.feed, answer.status, str(error))
        return Found(
            poll.feed,
            answer.status,
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            moved_to=fetched.moved_to,
            entries=tuple(entries),
        )
    return Found(poll.feed, answer.status, answer.error, answer.retry_after)

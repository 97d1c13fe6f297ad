"""One polite HTTP request for a feed: conditional (RFC 9110, section 13), bounded in time and size."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import aiohttp

from feeds.schedule import Answer
from snqd import __version__

SECONDS = 30.0
SIZE_LIMIT_BYTES = 5 * 1024 * 1024
_HEADERS = {
    "User-Agent": f"snqd-feeds/{__version__}",
    "Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1",
}


class Fetched(NamedTuple):
    answer: Answer
    document: bytes = b""
    """Empty when nothing has changed (304) or it went wrong."""
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    url: str = ""
    """Where the document was found in the end."""
    moved_to: str | None = None
    """Where it is from now on: every redirect on the way was a permanent one."""


async def fetch(url: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
    """Ask for the feed, or whether it has changed. Never raises for what a server or network does."""
    headers = dict(_HEADERS)
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    try:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as response:
            return await _read(response)
    except TimeoutError:
        return Fetched(Answer(0, f"no answer within {SECONDS:g} seconds"))
    except (aiohttp.ClientError, ValueError) as error:  # ValueError: an address that is none
        return Fetched(Answer(0, f"{type(error).__name__}: {error}"))


async def _read(response: aiohttp.ClientResponse) -> Fetched:
    status = response.status
    if status == 304:
        return Fetched(Answer(304), url=str(response.url))
    if status != 200:
        wait = retry_after(response.headers.get("Retry-After", ""), now=time.time())
        return Fetched(Answer(status, f"the server answers {status} {response.reason or ''}".strip(), wait))
    document = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        document += chunk
        if len(document) > SIZE_LIMIT_BYTES:
            return Fetched(Answer(status, f"it is larger than {SIZE_LIMIT_BYTES // 1024 // 1024} MiB"))
        await asyncio.sleep(0)
    is_moved = bool(response.history) and all(each.status in (301, 308) for each in response.history)
    return Fetched(
        Answer(200),
        bytes(document),
        response.headers.get("Content-Type", ""),
        response.headers.get("ETag"),
        response.headers.get("Last-Modified"),
        str(response.url),
        str(response.url) if is_moved else None,
    )


def retry_after(header: str, *, now: float) -> float | None:
    """Seconds that a `Retry-After` asks for: a number or a date (RFC 9110, section 10.2.3); None if it is neither."""
    header = header.strip()
    if header.isdecimal():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None

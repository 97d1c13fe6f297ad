"""Entries of a feed, by feedparser, which knows what Atom and RSS are like in the wild. Pure, but takes its time."""

from __future__ import annotations

import calendar
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import msgspec
from feedparser.api import parse as parse_feed

ENTRY_LIMIT = 100
"""Entries that are taken from one document, the first ones: feeds begin with the newest."""
_TEXT_LIMIT = 500
_LINK_LIMIT = 2000


class Entry(msgspec.Struct, frozen=True):
    id: str
    """What the feed calls it, else its link. Unique in the feed."""
    title: str
    """Plain text on one line."""
    link: str
    published: int | None
    """Epoch seconds; None: the feed does not say."""


class NoFeed(Exception):
    """The document is no feed; the message says what was found wrong with it."""


def parse(document: bytes, *, url: str, content_type: str = "") -> list[Entry]:
    """The entries, in the document's order. Raises `NoFeed`."""
    if not document.strip():
        raise NoFeed("that is no feed: it is empty")
    headers = {"content-type": content_type, "content-location": url}
    # A file object, because feedparser would take bytes that look like a path or an address for one, and open it.
    found = parse_feed(BytesIO(document), response_headers=headers)
    if not found.get("version") and not found.entries:
        wrong = str(found.get("bozo_exception", "")).strip().splitlines() or ["it has no channel, feed or entry"]
        raise NoFeed(f"that is no feed: {wrong[0]}")
    entries: dict[str, Entry] = {}
    for raw in found.entries[:ENTRY_LIMIT]:
        entry = _entry(raw)
        if entry is not None:
            entries.setdefault(entry.id, entry)
    return list(entries.values())


def _entry(raw: Any) -> Entry | None:
    """None for an entry that nothing can be known by."""
    link = str(raw.get("link", ""))[:_LINK_LIMIT]
    name = str(raw.get("id", "") or link)[:_LINK_LIMIT]
    title = plain_text(str(raw.get("title", "") or raw.get("summary", "")))[:_TEXT_LIMIT]
    moment = raw.get("published_parsed") or raw.get("updated_parsed")
    return Entry(name, title, link, calendar.timegm(moment) if moment else None) if name else None


def plain_text(html: str) -> str:
    """The text of HTML on one line; text that is none stays as it is."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.parts).split())


class _Text(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._is_hidden = False

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        self._is_hidden = tag in ("script", "style")

    def handle_endtag(self, _tag: str) -> None:
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        if not self._is_hidden:
            self.parts.append(data)

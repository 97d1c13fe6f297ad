"""A notice as a message: plain text, XHTML-IM and an Atom entry. Pure.

Everything in a notice was written by somebody else. XML is made from elements and never from strings, and links lead
to http and https only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree

from snqd.xmpp.stanzas import Entry, atom_entry, clean, message

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from notices.posting import Notice

_LINKED = re.compile(
    r"(?P<url>https?://[^\s<>\"]+[^\s<>\"'.,;:!?)\]])|(?<![\w@!#])(?P<sign>[@!#])(?P<word>\w{1,64})", re.IGNORECASE
)
_LOCAL_PATHS = {"@": "", "!": "group/", "#": "tag/"}


class Message(NamedTuple):
    """What is the same for every recipient of a notice."""

    body: str
    html: str
    entry: str

    def to(self, jid: str) -> bytes:
        """The stanza for one of them, a frame of `xmppout`."""
        return message(jid, self.body, html=self.html, entry=self.entry)


def render(notice: Notice, site_url: str) -> Message:
    """`site_url`: where the site's pages are, for the links of @people, !groups and #tags."""
    author = notice.author
    content = _content(notice.content, site_url)
    html = _inside(
        _link(author.url, author.nickname), ": ", *content, " ", _link(notice.url, f"[{notice.id}]")
    )  # fmt: skip
    moment = datetime.fromtimestamp(notice.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = Entry(
        id=notice.uri,
        title=f"{author.nickname}: {notice.content}",
        updated=moment,
        published=moment,
        content_html=_inside(*content),
        author_name=author.full_name or author.nickname,
        author_uri=author.url,
        link=notice.url if _is_web(notice.url) else "",
    )
    return Message(f"{author.nickname}: {notice.content} [{notice.id}]", html, atom_entry(entry))


def _content(text: str, site_url: str) -> list[str | Element]:
    """The text with its links."""
    parts: list[str | Element] = []
    end = 0
    for match in _LINKED.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["url"]:
            parts.append(_link(match["url"], match["url"]))
        else:
            target = f"{site_url}/{_LOCAL_PATHS[match['sign']]}{match['word'].lower()}"
            parts += [match["sign"], _link(target, match["word"])]
    return [*parts, text[end:]]


def _link(url: str, text: str) -> Element:
    """A link, or where the URL is none for the web, the text alone."""
    element = ElementTree.Element("a", {"href": clean(url)}) if _is_web(url) else ElementTree.Element("span")
    element.text = clean(text)
    return element


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.netloc)


def _inside(*parts: str | Element) -> str:
    """XML of texts and elements, one after the other. Does not change the elements."""
    root = ElementTree.Element("x")
    last: Element | None = None
    for part in parts:
        if not isinstance(part, str):
            last = ElementTree.SubElement(root, part.tag, part.attrib)
            last.text = part.text
        elif last is None:
            root.text = (root.text or "") + clean(part)
        else:
            last.tail = (last.tail or "") + clean(part)
    return ElementTree.tostring(root, encoding="unicode").removeprefix("<x>").removesuffix("</x>").replace("<x />", "")

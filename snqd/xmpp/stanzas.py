"""Stanzas as bytes: how messages and presence for `xmppout` are made, and what of a received one goes to `xmppin`.

Pure, and without a library of XMPP: any handler or script may import it. Sources: RFC 6120 and 6121 (stanzas), XEP-0071
(XHTML-IM), RFC 4287 (Atom), XEP-0203 (delay).

**Out.** An item of `xmppout` has the codec `xml`; its frame is one stanza, in UTF-8, without a namespace of its own
(`<message to="…">`): the connection says which one it is in. `from` may be left out, the connection knows it.

**In.** An item of `xmppin` is JSON, an object with the keys of `Message` or `Presence` below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, Required, TypedDict
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from snqd.errors import BadItem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

QUEUE_OUT = "xmppout"
QUEUE_IN = "xmppin"
CODEC = "xml"

XHTML_IM = "http://jabber.org/protocol/xhtml-im"
XHTML = "http://www.w3.org/1999/xhtml"
ATOM = "http://www.w3.org/2005/Atom"
DELAY = "urn:xmpp:delay"

MessageType = Literal["chat", "normal", "headline", "groupchat"]
PresenceType = Literal["available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]
Show = Literal["away", "chat", "dnd", "xa"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


Message = TypedDict(
    "Message",
    {
        "kind": Required[Literal["message"]],
        "from": Required[str],
        "to": Required[str],  # the site's own JID, or with a component any of its addresses
        "type": Required[Literal["chat"]],
        "id": Required[str],  # what the sender called it; may be empty
        "body": Required[str],
        "subject": str,
        "thread": str,
        "delayed": str,  # when it was sent, as the server says (XEP-0203), if it was kept meanwhile
        "nature": Literal["auto_reply", "otr"],  # not written by a person for us: a program's answer, or encrypted
    },
    total=False,
)
"""The payload of an `xmppin` item for a chat message with a body. Optional keys are missing when there is nothing."""

Presence = TypedDict(
    "Presence",
    {
        "kind": Required[Literal["presence"]],
        "from": Required[str],
        "to": Required[str],
        "type": Required[str],  # available, unavailable, subscribe, subscribed, unsubscribe, unsubscribed
        "id": Required[str],
        "show": str,
        "status": str,
        "priority": int,
        "delayed": str,
    },
    total=False,
)
"""The payload of an `xmppin` item for presence."""


class Entry(NamedTuple):
    """What `atom_entry` tells of a notice (RFC 4287, section 4.1.2). `published` and `updated`: RFC 3339."""

    id: str
    """A URI that never changes."""
    title: str
    updated: str
    published: str = ""
    content_html: str = ""
    author_name: str = ""
    author_uri: str = ""
    link: str = ""
    """Where people can read it."""


def message(
    to: str,
    body: str,
    *,
    html: str = "",
    entry: str = "",
    type: MessageType = "chat",  # noqa: A002  (the attribute's name)
    sender: str = "",
    id: str = "",  # noqa: A002
    subject: str = "",
    thread: str = "",
    payloads: Iterable[str] = (),
) -> bytes:
    """A message stanza, as a frame of `xmppout`.

    `html` is what stands inside the body of XHTML-IM, and must be well-formed; `entry` a whole Atom entry (see
    `atom_entry`); `payloads` further elements. Characters that XML cannot carry become U+FFFD in texts. Raises
    `BadItem` for what is not well-formed.
    """
    parts = [_open("message", to=to, type=type, **{"from": sender, "id": id})]
    parts += [_text("subject", subject), _text("body", body), _text("thread", thread)]
    if html:
        parts.append(f"<html xmlns='{XHTML_IM}'><body xmlns='{XHTML}'>{_well_formed('html', html)}</body></html>")
    parts += [_well_formed("entry", entry), *(_well_formed("payloads", each) for each in payloads)]
    return "".join([*parts, "</message>"]).encode()


def presence(
    to: str = "",
    *,
    type: PresenceType = "available",  # noqa: A002
    sender: str = "",
    id: str = "",  # noqa: A002
    show: Show | Literal[""] = "",
    status: str = "",
    priority: int | None = None,
) -> bytes:
    """A presence stanza, as a frame of `xmppout`. Without `to` it goes to everybody who is subscribed."""
    kind = "" if type == "available" else type
    parts = [_open("presence", to=to, type=kind, **{"from": sender, "id": id})]
    parts += [_text("show", show), _text("status", status)]
    if priority is not None:
        parts.append(f"<priority>{priority:d}</priority>")
    return "".join([*parts, "</presence>"]).encode()


def atom_entry(entry: Entry) -> str:
    """The Atom entry of a notice."""
    author = _text("name", entry.author_name) + _text("uri", entry.author_uri)
    parts = [
        f"<entry xmlns='{ATOM}'>",
        _text("id", entry.id),
        f"<title>{_escaped(entry.title)}</title>",  # required, even if empty
        _text("published", entry.published),
        _text("updated", entry.updated),
        f"<author>{author}</author>" if author else "",
        f"<content type='html'>{_escaped(entry.content_html)}</content>" if entry.content_html else "",
        f"<link rel='alternate' type='text/html' href={quoteattr(clean(entry.link))}/>" if entry.link else "",
        "</entry>",
    ]
    return "".join(parts)


def clean(text: str) -> str:
    """`text` with U+FFFD in the place of every character that XML 1.0 cannot carry."""
    return _NOT_XML.sub(_REPLACEMENT, text)


def bare(jid: str) -> str:
    """A JID without its resource."""
    return jid.partition("/")[0]


def domain(jid: str) -> str:
    """The domain of a JID, in lower case."""
    return bare(jid).rpartition("@")[2].lower()


# ---- what was received

_AUTO_REPLY = re.compile(r"\s*\[?\(?\s*auto[ -]?(reply|response|respond)", re.IGNORECASE)
_OFFLINE_STORAGE = re.compile(r"offline storage size was exceeded", re.IGNORECASE)
_OTR = re.compile(r"\?OTR(v?\d|[:,\s?]|$)")


def message_of(stanza: Element, own: str) -> Message | None:
    """The payload for a message, None when there is nothing in it for `xmppin`.

    Nothing are those that are no chat (errors, rooms, headlines), those without a body (typing, receipts), and what we
    sent ourselves. `own`: the bare JID of the connection, or a component's domain. The namespace does not matter.
    """
    body = _child_text(stanza, "body")
    sender = stanza.get("from", "")
    if stanza.get("type") != "chat" or not body.strip() or is_own(sender, own):
        return None
    found: Message = {
        "kind": "message",
        "from": sender,
        "to": stanza.get("to", "") or own,
        "type": "chat",
        "id": stanza.get("id", ""),
        "body": body,
    }
    if subject := _child_text(stanza, "subject"):
        found["subject"] = subject
    if thread := _child_text(stanza, "thread"):
        found["thread"] = thread
    if delayed := _delayed(stanza):
        found["delayed"] = delayed
    if nature := nature_of(body):
        found["nature"] = nature
    return found


def presence_of(stanza: Element, own: str) -> Presence | None:
    """The payload for presence, None for errors, probes and our own."""
    kind = stanza.get("type") or "available"
    sender = stanza.get("from", "")
    if kind in ("error", "probe") or is_own(sender, own):
        return None
    found: Presence = {
        "kind": "presence",
        "from": sender,
        "to": stanza.get("to", "") or own,
        "type": kind,
        "id": stanza.get("id", ""),
    }
    if show := _child_text(stanza, "show"):
        found["show"] = show
    if status := _child_text(stanza, "status"):
        found["status"] = status
    if delayed := _delayed(stanza):
        found["delayed"] = delayed
    priority = _child_text(stanza, "priority").strip()
    if re.fullmatch(r"[+-]?\d{1,3}", priority):
        found["priority"] = int(priority)
    return found


def nature_of(body: str) -> Literal["auto_reply", "otr"] | None:
    """What a body is that a person did not write for us."""
    if _AUTO_REPLY.match(body) or _OFFLINE_STORAGE.search(body):
        return "auto_reply"
    return "otr" if _OTR.match(body) else None


def is_own(sender: str, own: str) -> bool:
    """Whether a stanza from `sender` is our own echo. `own`: a bare JID, or the domain of a component."""
    if "@" not in own:
        return domain(sender) == own.lower()
    return bare(sender).lower() == own.lower()


def _child_text(stanza: Element, name: str) -> str:
    """The text of the first child of that name in the stanza's own namespace."""
    namespace = stanza.tag.rpartition("}")[0]
    child = stanza.find(f"{namespace}}}{name}" if namespace else name)
    return "" if child is None else (child.text or "")


def _delayed(stanza: Element) -> str:
    child = stanza.find(f"{{{DELAY}}}delay")
    return "" if child is None else child.get("stamp", "")


# ---- writing XML


def _open(name: str, **attributes: str) -> str:
    given = "".join(f" {key}={quoteattr(clean(value))}" for key, value in attributes.items() if value)
    return f"<{name}{given}>"


def _text(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>" if text else ""


def _escaped(text: str) -> str:
    return escape(clean(text))


def _well_formed(what: str, xml: str) -> str:
    """`xml` as it is. It is looked at here so that the mistake shows where it is made, and not in the xmpp worker."""
    if xml:
        try:
            ElementTree.fromstring(f"<x>{xml}</x>")  # noqa: S314  (the caller's own; entities need a DTD, refused here)
        except ElementTree.ParseError as error:
            raise BadItem(f"{what} of the stanza is not well-formed XML: {error}") from None
    return xml

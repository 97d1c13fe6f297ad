"""A frame of `xmppout`: what may be written into a stream, and how.

A stream is one XML document that lasts as long as the connection, so a frame that is not exactly one well-formed
stanza would end it for everybody (RFC 6120, sections 4.9 and 11). Here a frame is looked through, whole, before a byte
of it is sent; what is wrong with it is told in one line (`BadItem`).

Frames are not serialised anew: what has been found good is sent as it came, but for the attributes `from` and `xmlns`
of the stanza itself, which belong to the connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from snqd.errors import BadItem
from snqd.xmpp.stanzas import bare, domain

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_BYTES = 256 * 1024
"""Largest stanza that servers take from a client, unless they are configured otherwise."""
DEPTH_LIMIT = 64
"""Elements within one another. XHTML and Atom need a dozen; parsers that recurse break at some thousand."""
STANZAS = ("message", "presence", "iq")
NAMESPACES = ("", "jabber:client", "jabber:component:accept")
"""Of a stanza. Which one a stream has is the connection's affair."""

_ATTRIBUTES = rb"""(?:\s+[^\s=<>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*"""
_HEAD = re.compile(rb"<([a-z]+)(" + _ATTRIBUTES + rb")\s*(/?)>")
_OWN = re.compile(rb"""\s+(?:from|xmlns)\s*=\s*(?:"[^"]*"|'[^']*')""")


class Frame(NamedTuple):
    """A frame that has been found good."""

    data: bytes
    name: str
    """message, presence or iq."""
    to: str
    sender: str
    """Its `from`; empty when it has none."""
    has_namespace: bool
    """Whether the stanza names its namespace."""


def read_frame(data: bytes, *, limit_bytes: int = LIMIT_BYTES) -> Frame:
    """Look `data` through. Raises `BadItem`, whose message never shows what is in it."""
    if len(data) > limit_bytes:
        raise BadItem(f"stanza of {len(data):,} bytes: servers take at most {limit_bytes:,} (xmpp.stanza_limit_bytes)")
    data = data.strip()
    if not data.startswith(b"<") or data.startswith(b"<?"):
        raise BadItem(
            "frame does not begin with a stanza: it must be <message>, <presence> or <iq>, and nothing before"
        )
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadItem(f"frame is not one well-formed stanza: {error}") from None
    namespace, name, attributes = reader.namespace, reader.name, reader.attributes
    if name not in STANZAS:
        raise BadItem(f"frame is <{name[:40]}>, which is no stanza: it must be <message>, <presence> or <iq>")
    if namespace not in NAMESPACES:
        raise BadItem(f"stanza is in namespace {namespace[:80]!r}: leave its xmlns out, the connection knows it")
    if not data.startswith(b"<" + name.encode()):
        raise BadItem("stanza has a namespace prefix: write it without one, the namespace is the connection's")
    return Frame(data, name, attributes.get("to", ""), attributes.get("from", ""), bool(namespace))


def as_client(frame: Frame, own: str) -> bytes:
    """What a client sends; the server puts the sender in. `own`: its JID. Raises `BadItem` for another sender."""
    if not frame.sender and not frame.has_namespace:
        return frame.data
    if frame.sender and bare(frame.sender).lower() != bare(own).lower():
        raise BadItem(f"stanza is from {frame.sender[:100]!r} and this site is {bare(own)}: leave from out")
    return _with_sender(frame, "")


def as_component(frame: Frame, own: str) -> bytes:
    """What a component sends: from an address of its domain; `own` where the frame does not say which.

    Raises `BadItem` for a sender of another domain, for which servers end the stream, and for a frame without `to`.
    """
    if not frame.to:
        raise BadItem("stanza has no to: a component has no server that would know for whom it is")
    if not frame.sender and not frame.has_namespace:
        at = len(frame.name) + 1
        return b"".join((frame.data[:at], b" from=", quoteattr(own).encode(), frame.data[at:]))
    if frame.sender and domain(frame.sender) != domain(own):
        raise BadItem(f"stanza is from {frame.sender[:100]!r}, which is not in the component's domain {domain(own)}")
    return _with_sender(frame, frame.sender or own)


def recipient(frame: Frame) -> str:
    """Whose order is kept: the bare JID that it goes to."""
    return bare(frame.to).lower()


def _with_sender(frame: Frame, sender: str) -> bytes:
    head = _HEAD.match(frame.data)
    assert head is not None, "a well-formed stanza begins with a start tag"
    name, attributes, slash = head.groups()
    given = b" from=" + quoteattr(sender).encode() if sender else b""
    return b"".join((b"<", name, given, _OWN.sub(b"", attributes), slash, b">", frame.data[head.end() :]))


class _Reader:
    """Notes the outermost element, and refuses what RFC 6120 forbids inside a stream (section 11.1)."""

    def __init__(self) -> None:
        self.namespace = self.name = ""
        self.attributes: Mapping[str, str] = {}
        self._depth = 0
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.ProcessingInstructionHandler = self._refuse_instruction
        parser.CommentHandler = self._refuse_comment
        self.parser = parser

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._depth:
            self.namespace, _space, self.name = name.rpartition(" ")
            self.attributes = attributes
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise BadItem(f"stanza has more than {DEPTH_LIMIT} elements within one another")

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _refuse_doctype(self, *_declared: object) -> NoReturn:
        raise BadItem("frame has a document type declaration, which XMPP forbids")

    def _refuse_instruction(self, *_instruction: object) -> NoReturn:
        raise BadItem("frame has a processing instruction, which XMPP forbids")

    def _refuse_comment(self, _comment: str) -> NoReturn:
        raise BadItem("frame has a comment, which XMPP forbids")

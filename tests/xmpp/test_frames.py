"""Frames of `xmppout`: what could end a stream is refused, what is good goes out with the right sender."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.errors import BadItem
from snqd.xmpp.frames import DEPTH_LIMIT, LIMIT_BYTES, as_client, as_component, read_frame
from snqd.xmpp.stanzas import message

OWN = "update@a.example"
COMPONENT = "news@updates.example"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "does not begin with a stanza"),
        (b"hello", "does not begin with a stanza"),
        (b"<?xml version='1.0'?><message/>", "does not begin with a stanza"),
        ("<message/>".encode("utf-16"), "does not begin with a stanza"),
        (b"\xef\xbb\xbf<message/>", "does not begin with a stanza"),
        (b"<message>", "not one well-formed stanza"),
        (b"<message/><message/>", "not one well-formed stanza"),
        (b"<message/></stream:stream>", "not one well-formed stanza"),
        (b"</stream:stream>", "not one well-formed stanza"),
        (b"<message>&nbsp;</message>", "not one well-formed stanza"),
        (b"<message><stream:error/></message>", "not one well-formed stanza"),
        (b"<message><body>\xff\xfe</body></message>", "not one well-formed stanza"),
        (b"<message><body>\x00</body></message>", "not one well-formed stanza"),
        (b"<message><body>&#8;</body></message>", "not one well-formed stanza"),
        (b"<!DOCTYPE m [<!ENTITY a 'aaaa'>]><message>&a;</message>", "document type"),
        (b"<!DOCTYPE m SYSTEM 'file:///etc/passwd'><message/>", "document type"),
        (b"<message><!-- hidden --></message>", "comment"),
        (b"<message><?php phpinfo() ?></message>", "processing instruction"),
        (b"<body>hello</body>", "is no stanza"),
        (b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", "is no stanza"),
        (b"<message xmlns='jabber:server'/>", "is in namespace 'jabber:server'"),
        (b"<m:message xmlns:m='jabber:client'/>", "namespace prefix"),
        (b"<message>" + b"<a>" * DEPTH_LIMIT + b"</a>" * DEPTH_LIMIT + b"</message>", "within one another"),
        (b"<message>" + b" " * LIMIT_BYTES + b"</message>", "servers take at most 262,144"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_would_break_the_stream_is_refused_with_its_reason(frame: bytes, reason: str) -> None:
    with pytest.raises(BadItem, match=re.escape(reason)) as refused:
        read_frame(frame)

    assert "\n" not in str(refused.value)


def test_the_limit_of_bytes_can_be_set() -> None:
    frame = message("bob@b.example", "hello")

    with pytest.raises(BadItem, match="at most 20"):
        read_frame(frame, limit_bytes=20)


@given(st.binary(max_size=60) | st.text(alphabet="<>/&;!?='\" messageiq:xln-[]#", max_size=60).map(str.encode))
def test_no_bytes_are_anything_but_one_stanza_or_refused(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except BadItem:
        return
    stream = b"<s xmlns='jabber:client'>" + as_client(frame._replace(sender=""), OWN) + b"</s>"
    assert [child.tag for child in ElementTree.fromstring(stream)] == [f"{{jabber:client}}{frame.name}"]


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (b"<message to='bob@b.example'/>", b"<message to='bob@b.example'/>"),
        (b"  <message to='bob@b.example'/>\n", b"<message to='bob@b.example'/>"),
        (b"<message from='update@A.example/old' to='a>b'>x</message>", b"<message to='a>b'>x</message>"),
        (b"<message xmlns=\"jabber:client\" to='b'/>", b"<message to='b'/>"),
        (
            b"<message\n  xmlns='jabber:component:accept'\tfrom = 'update@a.example' to='b' ><x xmlns='x'/></message>",
            b"<message to='b'><x xmlns='x'/></message>",
        ),
    ],
)
def test_a_client_leaves_its_name_to_the_server(frame: bytes, sent: bytes) -> None:
    assert as_client(read_frame(frame), f"{OWN}/here") == sent


def test_a_client_sends_for_nobody_else() -> None:
    with pytest.raises(BadItem, match=r"from 'eve@a\.example' and this site is update@a\.example"):
        as_client(read_frame(b"<message from='eve@a.example' to='b'/>"), OWN)


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (b"<message to='b'/>", b"<message from=\"news@updates.example\" to='b'/>"),
        (b"<message to='b' xmlns='jabber:client'/>", b"<message from=\"news@updates.example\" to='b'/>"),
        (b"<iq from='other@Updates.example/x' to='b'>y</iq>", b"<iq from=\"other@Updates.example/x\" to='b'>y</iq>"),
    ],
)
def test_a_component_says_who_it_is(frame: bytes, sent: bytes) -> None:
    assert as_component(read_frame(frame), COMPONENT) == sent


def test_a_component_sends_for_its_domain_only_and_to_somebody() -> None:
    with pytest.raises(BadItem, match=r"not in the component's domain updates\.example"):
        as_component(read_frame(b"<message from='a@b.example' to='b'/>"), COMPONENT)
    with pytest.raises(BadItem, match="has no to"):
        as_component(read_frame(b"<presence/>"), COMPONENT)

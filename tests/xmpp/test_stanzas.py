"""Stanzas: what is built can be read by any parser, and what is received is told apart rightly."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.errors import BadItem
from snqd.xmpp import stanzas
from snqd.xmpp.frames import read_frame
from snqd.xmpp.stanzas import ATOM, XHTML, XHTML_IM, Entry, atom_entry, message, message_of, presence, presence_of

OWN = "update@a.example"


def received(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_a_message_carries_plain_text_xhtml_and_an_entry() -> None:
    entry = atom_entry(
        Entry(
            id="tag:a.example,2010:notice:7",
            title="ada: <hello> & bye",
            updated="2010-02-17T10:00:00Z",
            content_html="<b>hello</b>",
            author_name="ada",
            link="https://a.example/notice/7?x=1&y=2",
        )
    )

    found = received(
        message(
            "bob@b.example", "ada: <hello> & bye", html="<a href='https://a.example/'>ada</a>", entry=entry
        ).decode()
    )

    assert (found.get("to"), found.get("type"), found.findtext("body")) == (
        "bob@b.example",
        "chat",
        "ada: <hello> & bye",
    )
    link = found.find(f"{{{XHTML_IM}}}html/{{{XHTML}}}body/{{{XHTML}}}a")
    assert link is not None
    assert link.text == "ada"
    told = found.find(f"{{{ATOM}}}entry")
    assert told is not None
    assert told.findtext(f"{{{ATOM}}}title") == "ada: <hello> & bye"
    assert told.findtext(f"{{{ATOM}}}content") == "<b>hello</b>"
    assert told.findtext(f"{{{ATOM}}}author/{{{ATOM}}}name") == "ada"


@given(st.text(), st.text())
def test_whatever_a_person_writes_becomes_a_stanza_that_can_be_sent(to: str, body: str) -> None:
    frame = message(to, body, subject=body, sender=to)

    read = read_frame(frame)
    back = received(frame.decode()).findtext("body") or ""
    assert read.name == "message"
    assert back == stanzas.clean(body).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    "given", [{"html": "<p>"}, {"html": "</p><p>"}, {"entry": "<entry"}, {"payloads": ["<x>&nbsp;</x>"]}], ids=str
)
def test_what_is_not_well_formed_is_told_where_it_is_made(given: dict[str, Any]) -> None:
    with pytest.raises(BadItem, match=rf"^{next(iter(given))} of the stanza is not well-formed"):
        message("bob@b.example", "hello", **given)


def test_presence_says_what_it_is_given() -> None:
    found = received(presence(show="away", status="back <soon>", priority=5).decode())

    assert (found.get("type"), found.get("to")) == (None, None)
    assert (found.findtext("show"), found.findtext("status"), found.findtext("priority")) == (
        "away",
        "back <soon>",
        "5",
    )
    assert received(presence("bob@b.example", type="subscribed").decode()).get("type") == "subscribed"


@pytest.mark.parametrize("namespace", ["jabber:client", "jabber:component:accept", ""])
def test_a_chat_message_is_input_in_whatever_namespace(namespace: str) -> None:
    text = (
        f"<message xmlns='{namespace}' type='chat' id='m1' from='bob@b.example/phone'><subject>s</subject>"
        "<body>hello</body><thread>t</thread><delay xmlns='urn:xmpp:delay' stamp='2010-02-17T10:00:00Z'/></message>"
    )

    assert message_of(received(text), OWN) == {
        "kind": "message",
        "from": "bob@b.example/phone",
        "to": OWN,
        "type": "chat",
        "id": "m1",
        "body": "hello",
        "subject": "s",
        "thread": "t",
        "delayed": "2010-02-17T10:00:00Z",
    }


@pytest.mark.parametrize(
    "text",
    [
        "<message from='bob@b.example'><body>no type: not a chat</body></message>",
        "<message type='error' from='bob@b.example'><body>our own words come back</body></message>",
        "<message type='groupchat' from='room@b.example/bob'><body>hello all</body></message>",
        "<message type='headline' from='bob@b.example'><body>news</body></message>",
        "<message type='chat' from='bob@b.example'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message type='chat' from='bob@b.example'><body>  \n </body></message>",
        "<message type='chat' from='bob@b.example'><body xmlns='urn:another'>not ours</body></message>",
        "<message type='chat' from='Update@a.example/other'><body>an echo</body></message>",
    ],
    ids=["normal", "error", "room", "headline", "typing", "blank", "namespace", "echo"],
)
def test_what_nobody_said_to_us_is_no_input(text: str) -> None:
    assert message_of(received(text), OWN) is None


@pytest.mark.parametrize(
    ("body", "nature"),
    [
        ("[Auto-Reply] I am away", "auto_reply"),
        ("Auto-response: gone fishing", "auto_reply"),
        ("(autoreply) later", "auto_reply"),
        ("Message could not be delivered: offline storage size was exceeded", "auto_reply"),
        ("?OTRv23?\nbob has requested an off-the-record conversation", "otr"),
        ("?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA", "otr"),
        ("?OTR? encrypted please", "otr"),
        ("automatic reply machines are bad", None),
        ("what is ?OTR: for", None),
        ("?OTRANTO is a town", None),
    ],
)
def test_programs_answers_and_encrypted_texts_are_recognised(body: str, nature: str | None) -> None:
    found = message_of(received(f"<message type='chat' from='bob@b.example'><body>{body}</body></message>"), OWN)

    assert found is not None
    assert found.get("nature") == nature


def test_an_echo_to_a_component_is_from_its_domain() -> None:
    text = "<message type='chat' from='{}' to='news@updates.example'><body>hello</body></message>"

    assert message_of(received(text.format("news@updates.example")), "updates.example") is None
    found = message_of(received(text.format("bob@b.example/phone")), "updates.example")
    assert found is not None
    assert found["to"] == "news@updates.example"


def test_presence_is_input() -> None:
    said = "<show>dnd</show><status>busy</status><priority>-5</priority>"
    text = f"<presence from='bob@b.example/phone' id='p'>{said}</presence>"

    assert presence_of(received(text), OWN) == {
        "kind": "presence",
        "from": "bob@b.example/phone",
        "to": OWN,
        "type": "available",
        "id": "p",
        "show": "dnd",
        "status": "busy",
        "priority": -5,
    }
    subscribe = presence_of(received("<presence type='subscribe' from='bob@b.example'/>"), OWN)
    assert subscribe is not None
    assert subscribe["type"] == "subscribe"
    for kind in ("error", "probe"):
        assert presence_of(received(f"<presence type='{kind}' from='bob@b.example'/>"), OWN) is None
    assert presence_of(received(f"<presence from='{OWN}/here'/>"), OWN) is None

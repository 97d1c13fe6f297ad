"""What somebody wrote becomes a message that cannot be anything but that text, with links to the web only."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notices.people import Profile
from notices.posting import Notice, addressed
from notices.rendering import render
from snqd.xmpp.frames import read_frame
from snqd.xmpp.stanzas import clean

XHTML = "{http://www.w3.org/1999/xhtml}"
ATOM = "{http://www.w3.org/2005/Atom}"
XHTML_IM = "{http://jabber.org/protocol/xhtml-im}"
SITE = "https://example.net"


def notice(content: str, *, nickname: str = "ada", url: str = f"{SITE}/ada", uri: str = f"{SITE}/notice/7") -> Notice:
    return Notice(7, Profile(1, nickname, "Ada L.", url, True), uri, f"{SITE}/notice/7", content, True, 1290513600)


def stanza_of(content: str, **changes: str) -> ElementTree.Element:
    frame = render(notice(content, **changes), SITE).to("bob@example.org")
    assert read_frame(frame).data  # what the xmpp worker asks of it
    return ElementTree.fromstring(frame)


def html_of(stanza: ElementTree.Element) -> ElementTree.Element:
    found = stanza.find(f"{XHTML_IM}html/{XHTML}body")
    assert found is not None
    return found


def links(element: ElementTree.Element) -> list[tuple[str | None, str | None]]:
    return [(link.get("href"), link.text) for link in element.iter(f"{XHTML}a")]


def test_a_notice_is_plain_text_and_xhtml_and_an_atom_entry() -> None:
    stanza = stanza_of("hello @bob, see http://example.org/x?a=1&b=2. #news !devs")

    assert (stanza.tag, stanza.get("to"), stanza.get("type")) == ("message", "bob@example.org", "chat")
    assert stanza.findtext("body") == "ada: hello @bob, see http://example.org/x?a=1&b=2. #news !devs [7]"
    assert links(html_of(stanza)) == [
        (f"{SITE}/ada", "ada"),
        (f"{SITE}/bob", "bob"),
        ("http://example.org/x?a=1&b=2", "http://example.org/x?a=1&b=2"),
        (f"{SITE}/tag/news", "news"),
        (f"{SITE}/group/devs", "devs"),
        (f"{SITE}/notice/7", "[7]"),
    ]
    assert "".join(html_of(stanza).itertext()) == stanza.findtext("body")
    entry = stanza.find(f"{ATOM}entry")
    assert entry is not None
    assert entry.findtext(f"{ATOM}id") == f"{SITE}/notice/7"
    assert entry.findtext(f"{ATOM}published") == "2010-11-23T12:00:00Z"
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == "Ada L."


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "</body></html></message><message to='eve@example.org'><body>forged</body></message>",
        "]]> <![CDATA[ <!-- --> <?xml version='1.0'?> <!DOCTYPE x>",
        "&amp; &lt; &#0; &bogus; \"quotes\" 'quotes'",
        "\x00\x01\x1b[31mred\x7f\ufffe\ud800",
        "\u202etxet desrever\u202c",
        "<x /><x></x>",
        "http://example.org/\"onmouseover='x' http://<b>",
        "javascript:alert(1) data:text/html,x http:// https://",
        "http://[bad http://[::1 http://example.org/[x]",
        "@@@@ ### !!! @" + "a" * 100,
        "]" * 2000 + "http://" + "." * 2000,
    ],
)
def test_hostile_text_is_text(hostile: str) -> None:
    stanza = stanza_of(hostile, nickname="eve")

    assert stanza.findtext("body") == clean(f"eve: {hostile} [7]")
    assert "".join(html_of(stanza).itertext()) == clean(f"eve: {hostile} [7]")
    assert {element.tag for element in html_of(stanza).iter()} <= {f"{XHTML}body", f"{XHTML}a", f"{XHTML}span"}
    assert all(str(url).startswith(("http://", "https://")) for url, _text in links(html_of(stanza)))
    content = stanza.findtext(f"{ATOM}entry/{ATOM}content")
    inner = ElementTree.fromstring(f"<x>{content}</x>")  # HTML once it is unescaped, as feed readers do
    assert {element.tag for element in inner.iter()} <= {"x", "a", "span"}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "", "https://", "http://[::1", "//example.org"]
)
def test_a_profile_that_leads_nowhere_on_the_web_is_no_link(url: str) -> None:
    assert links(html_of(stanza_of("hi", url=url))) == [(f"{SITE}/notice/7", "[7]")]


@given(st.text(max_size=300))
def test_any_text_arrives_as_it_is(text: str) -> None:
    stanza = stanza_of(text)

    # an XML parser makes one line end of each kind
    said = clean(f"ada: {text} [7]").replace("\r\n", "\n").replace("\r", "\n")
    assert (stanza.findtext("body") or "").replace("\r\n", "\n").replace("\r", "\n") == said


def test_a_text_addresses_people_and_groups_by_their_signs() -> None:
    found = addressed("@Bob hello @cy_2, mail@example.org !devs and!not @bob!")

    assert found.people == {"bob", "cy_2"}
    assert found.groups == {"devs"}

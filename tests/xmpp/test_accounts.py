"""Which connections there are, and whose what comes in is."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from snqd.config.schema import XmppConfig
from snqd.handlers.context import Site
from snqd.items import SiteName
from snqd.xmpp.accounts import Account, read_accounts
from snqd.xmpp.input import InputReader

SHARED = XmppConfig(password="pencil", host="127.0.0.1")


def sites(**tables: dict[str, Any]) -> dict[SiteName, Site]:
    return {SiteName(name): Site(SiteName(name), {"xmpp": table}) for name, table in tables.items()}


def test_each_account_has_a_connection_and_each_domain_of_components_has_one() -> None:
    accounts, refused = read_accounts(
        SHARED,
        sites(
            a={"enabled": True, "jid": "Update@a.example"},
            b={"enabled": True, "jid": "update@b.example"},
            c={"enabled": True, "jid": "c@updates.example", "component": True},
            d={"enabled": True, "jid": "d@Updates.example", "component": True},
            whole={"enabled": True, "jid": "updates.example", "component": True},
            off={"jid": "off@a.example"},
            none={},
            twice={"enabled": True, "jid": "update@A.example"},
        ),
    )

    assert list(accounts) == ["update@a.example", "update@b.example", "updates.example"]
    assert refused == {"twice": "xmpp.jid update@A.example is that of site 'a' too: each site has its own"}
    assert [account.only_site for account in accounts.values()] == ["a", "b", ""]
    shared = accounts["updates.example"]
    assert shared.sites == ["c", "d", "whole"]
    assert shared.site_of("C@updates.example/phone") == "c"
    assert shared.site_of("anybody@updates.example") == "whole"
    assert accounts["update@b.example"].site_of("") == "b"


def test_what_comes_for_nobody_is_not_kept() -> None:
    (account,) = read_accounts(
        SHARED, sites(c={"enabled": True, "jid": "c@updates.example", "component": True})
    ).accounts.values()

    assert account.site_of("d@updates.example") is None
    assert (
        read(account, "<message type='chat' from='b@b.example' to='d@updates.example'><body>x</body></message>") == {}
    )


def account_of(**changes: Any) -> Account:
    table = {"enabled": True, "jid": "update@a.example", **changes}
    (account,) = read_accounts(SHARED, sites(a=table)).accounts.values()
    return account


def read(account: Account, xml: str) -> dict[str, Any]:
    """The payload of the item, empty when there is none."""
    found = InputReader(account, 100_000).read(ElementTree.fromstring(xml))
    return msgspec.json.decode(found.item.frame) if found.item is not None else {}


def answers(account: Account, xml: str) -> list[str]:
    found = InputReader(account, 100_000).read(ElementTree.fromstring(xml))
    return [answer.decode() for answer in found.answers]


CHAT = (
    "<message xmlns='jabber:client' type='chat' from='bob@b.example/x' to='update@a.example'><body>hi</body></message>"
)


def test_a_chat_is_an_item_of_its_site() -> None:
    found = InputReader(account_of(), 100_000).read(ElementTree.fromstring(CHAT))

    assert found.item is not None
    assert (found.item.queue, found.item.site, found.item.codec) == ("xmppin", "a", "json")
    assert msgspec.json.decode(found.item.frame)["body"] == "hi"
    assert read(account_of(receive=False), CHAT) == {}


def test_what_is_longer_than_an_item_may_be_is_refused_by_name() -> None:
    found = InputReader(account_of(), 50).read(ElementTree.fromstring(CHAT))

    assert found.item is None
    assert found.refused is not None
    assert (found.refused.site, found.refused.sender) == ("a", "bob@b.example/x")
    assert "50" in found.refused.error


SUBSCRIBE = "<presence type='subscribe' from='bob@b.example' to='{}'/>"


@pytest.mark.parametrize(
    ("changes", "to", "expected"),
    [
        ({}, "update@a.example", []),
        ({"accept_subscriptions": True}, "update@a.example", ['<presence to="bob@b.example" type="subscribed">']),
        (
            {"accept_subscriptions": True, "component": True, "jid": "a@updates.example", "status": "post here"},
            "a@updates.example",
            [
                '<presence to="bob@b.example" type="subscribed" from="a@updates.example">',
                '<presence to="bob@b.example" from="a@updates.example"><status>post here</status>',
            ],
        ),
    ],
)
def test_requests_are_accepted_when_the_site_says_so(changes: dict[str, Any], to: str, expected: list[str]) -> None:
    account = account_of(**changes)

    assert [answer.removesuffix("</presence>") for answer in answers(account, SUBSCRIBE.format(to))] == expected
    assert read(account, SUBSCRIBE.format(to))["type"] == "subscribe", "the application hears of it either way"


def test_a_component_answers_probes_itself() -> None:
    account = account_of(component=True, jid="a@updates.example")
    probe = "<presence type='probe' from='bob@b.example' to='a@updates.example'/>"

    assert answers(account, probe) == ['<presence to="bob@b.example" from="a@updates.example"></presence>']
    assert answers(account, probe.replace("bob@b.example", "a@updates.example")) == []
    assert answers(account_of(), probe) == []

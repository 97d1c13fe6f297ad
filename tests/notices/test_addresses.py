"""An address is a member's when somebody who reads there has said so, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notices import addresses, people
from notices.app import Refused
from snqd import Discard

if TYPE_CHECKING:
    from tests.support.notices import Desk


@pytest.fixture
def town(desk: Desk) -> Desk:
    """Ada, without an address, and Bob with his."""
    desk.member("ada", jid=None)
    desk.member("bob")
    return desk


def save(desk: Desk, jid: str, nickname: str = "ada") -> str:
    code = addresses.save(desk.app, people.find(desk.app, nickname).id, jid)
    desk.connection.commit()
    return code


def jid_of(desk: Desk, nickname: str) -> str | None:
    found: str | None = desk.database.value(
        "SELECT jid FROM member JOIN profile ON id = profile_id WHERE nickname = :nickname", nickname=nickname
    )
    return found


def test_saving_an_address_queues_the_question_and_the_answer_makes_it_theirs(town: Desk) -> None:
    code = save(town, "Ada@Example.org/phone")
    assert town.queued("xmppconfirm") == [{"code": code}]
    assert jid_of(town, "ada") is None

    town.work()
    ((to, question),) = town.sent()
    assert to == "ada@example.org"
    assert f"confirm {code}" in question
    assert f"https://example.net/main/confirmaddress/{code}" in question

    town.say("ada@example.org/phone", f"Confirm {code}")
    ((to, answer),) = town.sent()
    assert "now the address of ada" in answer
    assert jid_of(town, "ada") == "ada@example.org"


def test_the_question_is_sent_once_however_often_its_item_is_handled(town: Desk) -> None:
    code = save(town, "ada@example.org")
    town.handle("xmppconfirm", {"code": code})
    town.handle("xmppconfirm", {"code": code})

    assert len(town.sent()) == 1


def test_the_web_page_confirms_by_the_code_alone(town: Desk) -> None:
    assert addresses.confirm(town.app, save(town, "ada@example.org")).nickname == "ada"
    assert jid_of(town, "ada") == "ada@example.org"


def test_somebody_else_cannot_confirm(town: Desk) -> None:
    code = save(town, "ada@example.org")

    town.say("eve@example.org", f"confirm {code}")

    assert jid_of(town, "ada") is None
    with pytest.raises(Refused, match="nothing to confirm"):
        addresses.confirm(town.app, "guess")


def test_an_address_that_was_replaced_or_confirmed_is_not_asked(town: Desk) -> None:
    old = save(town, "old@example.org")
    new = save(town, "new@example.org")

    with pytest.raises(Discard):
        town.handle("xmppconfirm", {"code": old})
    addresses.confirm(town.app, new)
    with pytest.raises(Discard):
        town.handle("xmppconfirm", {"code": new})


def test_a_code_expires(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    code = save(town, "ada@example.org")
    monkeypatch.setattr(addresses, "VALID_SECONDS", -1)

    with pytest.raises(Refused, match="nothing to confirm"):
        addresses.confirm(town.app, code)


def test_an_address_belongs_to_one_member(town: Desk) -> None:
    with pytest.raises(Refused, match="somebody else's"):
        save(town, "BOB@example.org")
    with pytest.raises(Refused, match="your address already"):
        save(town, "bob@example.org", "bob")

    code = save(town, "shared@example.org")
    addresses.confirm(town.app, save(town, "shared@example.org", "bob"))
    with pytest.raises(Refused, match="somebody else's"):
        addresses.confirm(town.app, code)


def test_what_is_no_address_is_refused(town: Desk) -> None:
    hostile = ["<x>@example.org", "ada\x00@example.org", "a" * 1024 + "@example.org", "ada'@example.org"]
    for jid in ["", "ada", "@example.org", "ada@", "a b@example.org", "a@b@c", "ada@exa mple.org", *hostile]:
        with pytest.raises(Refused, match="no XMPP address"):
            save(town, jid)

"""Who gets a notice: everybody who is to, once, however often each step is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notices import delivery, people, posting
from notices.app import Refused
from snqd import Discard

if TYPE_CHECKING:
    from tests.support.notices import Desk

FIREHOSE = "firehose@example.org"


@pytest.fixture
def town(desk: Desk) -> Desk:
    """Ada, whom Bob and Cy follow; Di follows nobody; Ed has no address."""
    for nickname in ("ada", "bob", "cy", "di"):
        desk.member(nickname)
    desk.member("ed", jid=None)
    for nickname in ("bob", "cy", "ed"):
        desk.subscribe(nickname, "ada")
    return desk


def post(desk: Desk, author: str, content: str, *, is_public: bool = True, to: tuple[int, ...] = ()) -> int:
    number = posting.post(desk.app, people.find(desk.app, author).id, content, source="web", is_public=is_public, to=to)
    desk.connection.commit()
    return number


def recipients(desk: Desk) -> list[str]:
    desk.work()
    return sorted(jid.removesuffix("@example.org") for jid, _body in desk.sent())


def test_subscribers_and_the_firehose_get_a_notice(town: Desk) -> None:
    post(town, "ada", "hello")

    assert recipients(town) == ["bob", "cy", "firehose"]


def test_who_is_named_gets_it_too_and_the_author_does_not(town: Desk) -> None:
    post(town, "ada", "hello @di and @ada and @nobody and @ed")

    assert recipients(town) == ["bob", "cy", "di", "firehose"]


def test_a_notice_that_is_distributed_and_delivered_again_is_sent_once(town: Desk) -> None:
    number = post(town, "ada", "hello @bob")
    assert recipients(town) == ["bob", "cy", "firehose"]

    for queue in ("distrib", "jabber", "public", "distrib"):
        town.handle(queue, number)

    assert recipients(town) == []


def test_flags_of_a_person_are_obeyed(town: Desk) -> None:
    run = town.database.run
    run("UPDATE member SET jabber_notify = :no WHERE jid = 'bob@example.org'", no=False)
    run("UPDATE member SET jabber_replies = :no WHERE jid = 'di@example.org'", no=False)
    post(town, "ada", "hello @di")
    assert recipients(town) == ["cy", "firehose"]

    cy = people.find(town.app, "cy").id
    people.set_subscription_notify(town.app, cy, people.find(town.app, "ada"), is_on=False)
    post(town, "ada", "not for cy")
    assert recipients(town) == ["firehose"]

    post(town, "ada", "but this one, for a reply is wanted: @cy")
    assert recipients(town) == ["cy", "firehose"]


def test_members_of_a_group_get_what_a_member_writes_to_it(town: Desk) -> None:
    group = people.make_group(town.app, "devs")
    for nickname in ("di", "ed", "cy"):
        people.join_group(town.app, people.find(town.app, nickname).id, group)

    post(town, "di", "for the !devs")
    assert recipients(town) == ["cy", "firehose"]
    post(town, "bob", "not a member of !devs")
    assert recipients(town) == ["firehose"]


def test_a_private_notice_goes_to_whom_it_is_for_and_never_to_the_firehose(town: Desk) -> None:
    di = people.find(town.app, "di").id

    number = post(town, "ada", "a secret about @bob for !devs", is_public=False, to=(di,))

    assert recipients(town) == ["di"]
    town.handle("public", number)  # whoever has enqueued that
    assert recipients(town) == []


def test_many_recipients_are_served_in_batches(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH", 3)
    crowd = [f"fan{n}" for n in range(8)]
    for nickname in crowd:
        town.member(nickname)
        town.subscribe(nickname, "ada")
    number = post(town, "ada", "hello all")

    town.handle("distrib", number)
    town.handle("jabber", number)
    assert len(town.sent()) == 3

    assert recipients(town) == sorted({*crowd, "bob", "cy", "firehose"} - {"bob", "cy", "fan0"})


def test_another_site_sees_nothing_of_it(town: Desk) -> None:
    number = post(town, "ada", "hello")

    with pytest.raises(Discard, match=f"there is no notice {number}"):
        town.handle("distrib", number, site="other.example")


def test_an_item_without_its_notice_is_discarded(town: Desk) -> None:
    payloads: list[object] = [4711, "7", None, [], -1, True, 1 << 64]
    for payload in payloads:
        with pytest.raises(Discard, match="there is no notice"):
            town.handle("distrib", payload)


def test_a_text_that_is_no_notice_is_refused_and_nothing_is_queued(town: Desk) -> None:
    for text in ("", "   \n", "x" * 141):
        with pytest.raises(Refused, match=r"nothing in it|141 characters, and the longest notice has 140"):
            post(town, "ada", text)

    assert town.queued("distrib") == []


def test_a_notice_exists_if_and_only_if_its_distribution_is_queued(town: Desk) -> None:
    posting.post(town.app, people.find(town.app, "ada").id, "thought better of it", source="web")
    town.connection.rollback()

    assert town.queued("distrib") == []
    assert town.database.value("SELECT count(*) FROM notice") == 0

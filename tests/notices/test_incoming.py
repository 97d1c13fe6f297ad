"""What people send by XMPP: commands are done and answered, anything else is posted, and nothing is silently lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notices import incoming, people
from notices.commands import COMMANDS, command, parse

if TYPE_CHECKING:
    from tests.support.notices import Desk


@pytest.fixture
def town(desk: Desk) -> Desk:
    """Ada and Bob, who follows her."""
    desk.member("ada")
    desk.member("bob")
    desk.subscribe("bob", "ada")
    return desk


def answers(desk: Desk, body: str, *, sender: str = "bob@example.org/home") -> list[str]:
    """What the sender is told, without the site's name."""
    desk.say(sender, body)
    told = [text for jid, text in desk.sent() if jid == sender]
    assert all(text.startswith("[Example] ") for text in told)
    return [text.removeprefix("[Example] ") for text in told]


def test_a_message_is_posted_and_delivered_without_an_answer(town: Desk) -> None:
    town.say("Ada@Example.org/phone", "hello from the train")

    assert sorted(town.sent()) == [
        ("bob@example.org", "ada: hello from the train [1]"),
        ("firehose@example.org", "ada: hello from the train [1]"),
    ]


def test_what_cannot_be_posted_is_answered_with_the_reason(town: Desk) -> None:
    assert answers(town, "x" * 141) == ["That is 141 characters, and the longest notice has 140."]
    assert town.database.value("SELECT count(*) FROM notice") == 0


SAID = [
    ("on", "Notices are on."),
    ("on nobody", "There is no nobody here."),
    ("OFF", "Notices are off."),
    ("stop", "Notices are off."),
    ("off ada", "Notices of ada are off."),
    ("off @ADA", "Notices of ada are off."),
    ("whois ada", "ada | https://example.net/ada"),
    ("subscriptions", "ada"),
    ("subscribers", "Nobody is subscribed to you."),
    ("groups", "You are in no group."),
    ("join devs", "There is no group devs here."),
    ("last ada", "ada has written nothing."),
    ("stats", "Notices: 0\nSubscriptions: 1\nSubscribers: 0"),
    ("sub ada", "You are subscribed to ada."),
    ("follow bob", "You cannot subscribe to yourself."),
    ("reply ada good morning", "ada was answered."),
    ("d ada this is for you", "ada gets it, and nobody else."),
    ("d ada " + "x" * 141, "That is 141 characters, and the longest notice has 140."),
    ("confirm nonsense", "There is nothing to confirm with this code."),
    ("unsub ada", "You are not subscribed to ada any more."),
    ("leave bob", "You are not subscribed to bob."),
]


def test_commands_are_done_and_answered(town: Desk) -> None:
    for asked, answer in SAID:
        assert answers(town, asked) == [answer], asked


def test_help_names_every_command_once(town: Desk) -> None:
    (text,) = answers(town, "help")

    for found in COMMANDS.values():
        assert text.count(f"\n{found.names[0]} ") == 1


def test_what_is_switched_off_is_not_delivered_and_back_on_is(town: Desk) -> None:
    town.say("bob@example.org", "off ada")
    town.say("ada@example.org", "one")
    town.say("bob@example.org", "on ada")
    town.sent()
    town.say("ada@example.org", "two")

    assert ("bob@example.org", "ada: two [2]") in town.sent()


def test_a_direct_message_reaches_one_person_only(town: Desk) -> None:
    town.say("bob@example.org", "d ada meet me at  noon")

    assert ("ada@example.org", "bob: meet me at  noon [1]") in town.sent()
    assert town.database.value("SELECT is_public FROM notice") in (False, 0)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("on the road again", None, []),
        ("help me", None, []),
        ("stats are boring", None, []),
        ("sub", None, []),
        ("d ada", None, []),
        ("Sub ada", "sub", ["ada"]),
        ("d ada  two  words ", "d", ["ada", "two  words "]),
        ("r ada yes", "reply", ["ada", "yes"]),
        ("", None, []),
        ("once upon a time", None, []),
    ],
)
def test_a_command_is_told_from_a_notice_by_its_words(text: str, name: str | None, words: list[str]) -> None:
    found = parse(text)

    assert (found and found[0].names[0], found[1] if found else []) in ((name, words), (None, words))
    assert (found is None) == (name is None)


def test_two_commands_of_one_name_are_a_mistake_that_names_it() -> None:
    with pytest.raises(ValueError, match="two commands are called 'help'"):
        command("help", about="again")(lambda _app, _member, _words: "")


def test_a_stranger_is_told_once_a_day_where_to_go(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = "eve@example.org/x"
    assert answers(town, "hello", sender=stranger) == [
        "Unknown user. Go to https://example.net/settings/im to add your address."
    ]
    assert answers(town, "hello again", sender="eve@example.org/other") == []

    monkeypatch.setattr(incoming, "STRANGER_SECONDS", -1)
    assert len(answers(town, "the next day", sender=stranger)) == 1
    assert town.database.value("SELECT count(*) FROM notice") == 0


def test_what_no_person_wrote_for_us_is_neither_posted_nor_answered(town: Desk) -> None:
    message = {"kind": "message", "from": "bob@example.org", "to": "x", "type": "chat", "id": "", "body": "hello"}
    for changes in (
        {"kind": "presence", "type": "subscribe"},
        {"body": "I am away", "nature": "auto_reply"},
        {"body": "?OTRv2?", "nature": "otr"},
    ):
        town.handle("xmppin", {**message, **changes})

    assert town.sent() == []
    assert town.queued("distrib") == []


def test_a_group_is_joined_and_left(town: Desk) -> None:
    people.make_group(town.app, "devs")

    assert answers(town, "join !devs") == ["You are in !devs."]
    assert answers(town, "groups") == ["devs"]
    assert answers(town, "drop devs") == ["You are not in devs any more."]
    assert answers(town, "drop devs") == ["You are not in that group."]

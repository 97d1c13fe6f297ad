"""Commands that a message can be, in a table: one decorated function each. Any other message is a notice.

A plugin of yours adds to the table by decorating functions in a module that is named in `[handlers] modules`, before or
after `notices.handlers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from notices import people, posting
from notices.app import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from notices.app import App
    from notices.people import Member

    Function = Callable[[App, Member, list[str]], str]


class Command(NamedTuple):
    names: tuple[str, ...]
    usage: str
    about: str
    least: int
    """Fewest words behind the name, so that `on the road again` is a notice."""
    most: int
    """Most of them; the last one holds the rest of the text."""
    takes_text: bool
    function: Function


COMMANDS: dict[str, Command] = {}
"""By every name."""


def command(
    *names: str, usage: str = "", about: str, least: int = 0, most: int = 0, takes_text: bool = False
) -> Callable[[Function], Function]:
    """Put a function `(app, member, words) -> answer` into the table. It may raise `Refused`.

    `takes_text`: its last word is the rest of the message, whatever is in it.
    """

    def register(function: Function) -> Function:
        found = Command(names, usage, about, least, most, takes_text, function)
        for name in names:
            if name in COMMANDS:
                raise ValueError(f"two commands are called {name!r}")
            COMMANDS[name] = found
        return function

    return register


def parse(text: str) -> tuple[Command, list[str]] | None:
    """The command that a message is, and its words; None when it is a notice."""
    first, *rest = text.split(None, 1) or [""]
    found = COMMANDS.get(first.lower())
    if found is None:
        return None
    words = rest[0].split(None, max(found.most - 1, 0)) if found.takes_text and rest else " ".join(rest).split()
    if found.takes_text and found.most == 1 and rest:
        words = [rest[0].strip()]
    return (found, words) if found.least <= len(words) <= found.most else None


def listing(names: list[str], nothing: str) -> str:
    return ", ".join(names) or nothing


@command("help", about="this list")
def help_(_app: App, _member: Member, _words: list[str]) -> str:
    each = dict.fromkeys(COMMANDS.values())
    lines = [f"{' '.join(filter(None, (found.names[0], found.usage)))} - {found.about}" for found in each]
    return "\n".join(["Commands; anything else is a notice:", *lines])


@command("on", usage="[NICKNAME]", about="send me notices, or those of one person", most=1)
def on(app: App, member: Member, words: list[str]) -> str:
    return _switch(app, member, words, is_on=True)


@command("off", "stop", "quit", usage="[NICKNAME]", about="send me none, or none of one person", most=1)
def off(app: App, member: Member, words: list[str]) -> str:
    return _switch(app, member, words, is_on=False)


def _switch(app: App, member: Member, words: list[str], *, is_on: bool) -> str:
    state = "on" if is_on else "off"
    if not words:
        people.set_notify(app, member.id, is_on=is_on)
        return f"Notices are {state}."
    other = people.find(app, words[0])
    people.set_subscription_notify(app, member.id, other, is_on=is_on)
    return f"Notices of {other.nickname} are {state}."


@command("whois", usage="NICKNAME", about="who that is", least=1, most=1)
def whois(app: App, _member: Member, words: list[str]) -> str:
    found = people.find(app, words[0])
    return " | ".join(filter(None, (found.nickname, found.full_name, found.url)))


@command("sub", "follow", usage="NICKNAME", about="subscribe to somebody", least=1, most=1)
def sub(app: App, member: Member, words: list[str]) -> str:
    other = people.find(app, words[0])
    people.subscribe(app, member.id, other)
    return f"You are subscribed to {other.nickname}."


@command("unsub", "leave", usage="NICKNAME", about="end a subscription", least=1, most=1)
def unsub(app: App, member: Member, words: list[str]) -> str:
    other = people.find(app, words[0])
    people.unsubscribe(app, member.id, other)
    return f"You are not subscribed to {other.nickname} any more."


@command("subscriptions", about="whom you follow")
def subscriptions(app: App, member: Member, _words: list[str]) -> str:
    return listing(people.subscriptions(app, member.id), "You are subscribed to nobody.")


@command("subscribers", about="who follows you")
def subscribers(app: App, member: Member, _words: list[str]) -> str:
    return listing(people.subscribers(app, member.id), "Nobody is subscribed to you.")


@command("groups", about="the groups that you are in")
def groups(app: App, member: Member, _words: list[str]) -> str:
    return listing(people.groups(app, member.id), "You are in no group.")


@command("join", usage="GROUP", about="join a group", least=1, most=1)
def join(app: App, member: Member, words: list[str]) -> str:
    people.join_group(app, member.id, people.find_group(app, words[0]))
    return f"You are in {words[0]}."


@command("drop", usage="GROUP", about="leave a group", least=1, most=1)
def drop(app: App, member: Member, words: list[str]) -> str:
    people.leave_group(app, member.id, people.find_group(app, words[0]))
    return f"You are not in {words[0]} any more."


@command("last", "get", usage="NICKNAME", about="somebody's latest notice", least=1, most=1)
def last(app: App, _member: Member, words: list[str]) -> str:
    other = people.find(app, words[0])
    notice = posting.last_of(app, other.id)
    return f"{other.nickname}: {notice.content} [{notice.id}]" if notice else f"{other.nickname} has written nothing."


@command("reply", "r", usage="NICKNAME TEXT", about="answer somebody", least=2, most=2, takes_text=True)
def reply(app: App, member: Member, words: list[str]) -> str:
    other = people.find(app, words[0])
    posting.post(app, member.id, f"@{other.nickname} {words[1]}", source="xmpp")
    return f"{other.nickname} was answered."


@command("d", "dm", usage="NICKNAME TEXT", about="for that person only", least=2, most=2, takes_text=True)
def direct(app: App, member: Member, words: list[str]) -> str:
    other = people.find(app, words[0])
    posting.post(app, member.id, words[1], source="xmpp", is_public=False, to=(other.id,))
    return f"{other.nickname} gets it, and nobody else."


@command("stats", about="your figures")
def stats(app: App, member: Member, _words: list[str]) -> str:
    notices, follows, followed = people.counts(app, member.id)
    return f"Notices: {notices}\nSubscriptions: {follows}\nSubscribers: {followed}"


def run(app: App, member: Member, text: str) -> str | None:
    """Do what a message asks for: the answer, or None when it was a notice and is posted. Raises `Refused`."""
    if (asked := parse(text)) is not None:
        found, words = asked
        return found.function(app, member, words)
    posting.post(app, member.id, text, source="xmpp")
    return None


__all__ = ["COMMANDS", "Command", "Refused", "command", "parse", "run"]

"""What people send by XMPP: a command, a notice, or the confirmation of their address."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from notices import addresses, commands, people
from notices.app import Refused
from snqd.xmpp.stanzas import CODEC, QUEUE_OUT, bare, message

if TYPE_CHECKING:
    from notices.app import App

STRANGER_SECONDS = 24 * 3600


def receive(app: App, received: dict[str, Any]) -> str:
    """Handle one payload of `xmppin`. What became of it, as a word for the log."""
    if received["kind"] != "message" or received.get("nature"):
        return "ignored"
    sender, text = received["from"], received["body"].strip()
    member = people.member_of_jid(app, bare(sender))
    try:
        if _is_confirmation(text):
            profile = addresses.confirm(app, text.split()[1], sender=sender)
            answer: str | None = f"This is now the address of {profile.nickname}. Say help for what you can do."
        elif member is None:
            return _greet_stranger(app, sender)
        else:
            answer = commands.run(app, member, text)
    except Refused as refusal:
        if member is None:
            return _greet_stranger(app, sender)
        answer = str(refusal)
    if answer is not None:
        _answer(app, sender, answer)
    return "posted" if answer is None else "answered"


def _is_confirmation(text: str) -> bool:
    words = text.split()
    return len(words) == 2 and words[0].lower() == "confirm"


def _greet_stranger(app: App, sender: str) -> str:
    """Tell somebody without an account, once a day: two programs could otherwise greet each other for ever."""
    now = int(time.time())
    is_told = app.database.run(
        "INSERT INTO stranger (site, jid, told) VALUES (:site, :jid, :now)"
        " ON CONFLICT (site, jid) DO UPDATE SET told = :now WHERE stranger.told < :oldest RETURNING jid",
        site=app.site, jid=bare(sender).lower(), now=now, oldest=now - STRANGER_SECONDS,
    )  # fmt: skip
    if not is_told:
        return "ignored"
    _answer(app, sender, f"Unknown user. Go to {app.settings.url}/settings/im to add your address.")
    return "answered"


def _answer(app: App, to: str, text: str) -> None:
    app.enqueue(QUEUE_OUT, message(to, f"[{app.settings.name}] {text}"), codec=CODEC)

"""XMPP addresses: saved as pending, and a member's once somebody who reads there has said so."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from notices import people
from notices.app import Refused
from snqd.xmpp.stanzas import CODEC, QUEUE_OUT, bare, message

if TYPE_CHECKING:
    from notices.app import App

VALID_SECONDS = 3 * 24 * 3600
_JID = re.compile(r"""[^\s"&'/:<>@\x00-\x1f\x7f]+@[^\s"&'/:<>@\x00-\x1f\x7f]+""")
_PART_LIMIT_BYTES = 1023  # RFC 7622, section 3.1


class Confirmation(NamedTuple):
    profile: int
    code: str
    jid: str
    created: int
    is_sent: bool


def save(app: App, profile: int, jid: str) -> str:
    """Save an address to be confirmed and queue the question, in one transaction; the code. Raises `Refused`."""
    jid = bare(jid.strip()).lower()
    parts = jid.split("@")
    if not _JID.fullmatch(jid) or any(len(part.encode()) > _PART_LIMIT_BYTES for part in parts):
        raise Refused("That is no XMPP address: it looks like name@server.")
    _refuse_taken(app, profile, jid)
    code = secrets.token_urlsafe(12)
    app.database.run("DELETE FROM confirmation WHERE profile_id = :profile", profile=profile)
    app.database.run(
        "INSERT INTO confirmation (profile_id, site, code, jid, created)"
        " VALUES (:profile, :site, :code, :jid, :created)",
        profile=profile, site=app.site, code=code, jid=jid, created=int(time.time()),
    )  # fmt: skip
    app.enqueue("xmppconfirm", {"code": code})
    return code


def ask(app: App, code: str) -> bool:
    """Send the question to the address, once; False when nobody waits for it any more."""
    waiting = _read(app, code)
    if waiting is None:
        return False
    if not waiting.is_sent:
        profile = people.by_id(app, waiting.profile)
        assert profile is not None
        settings = app.settings
        body = (
            f"{profile.nickname} on {settings.name} has said that this address is theirs. If that is so, answer\n"
            f"confirm {code}\nor visit {settings.url}/main/confirmaddress/{code}\nIf it is not, do nothing."
        )
        app.enqueue(QUEUE_OUT, message(waiting.jid, body), codec=CODEC)
        app.database.run("UPDATE confirmation SET is_sent = :yes WHERE code = :code", yes=True, code=code)
    return True


def confirm(app: App, code: str, *, sender: str | None = None) -> people.Profile:
    """Make the address the member's. `sender`: who answered by XMPP; None: the code itself is the proof.

    Raises `Refused`.
    """
    waiting = _read(app, code)
    if waiting is None or (sender is not None and bare(sender).lower() != waiting.jid):
        raise Refused("There is nothing to confirm with this code.")
    _refuse_taken(app, waiting.profile, waiting.jid)
    app.database.run("UPDATE member SET jid = :jid WHERE profile_id = :id", jid=waiting.jid, id=waiting.profile)
    app.database.run("DELETE FROM confirmation WHERE code = :code", code=code)
    profile = people.by_id(app, waiting.profile)
    assert profile is not None
    return profile


def _read(app: App, code: str) -> Confirmation | None:
    row = app.database.row(
        "SELECT profile_id, code, jid, created, is_sent FROM confirmation"
        " WHERE site = :site AND code = :code AND created > :oldest",
        site=app.site, code=code, oldest=int(time.time()) - VALID_SECONDS,
    )  # fmt: skip
    return None if row is None else Confirmation(*row)


def _refuse_taken(app: App, profile: int, jid: str) -> None:
    owner = app.database.value(
        "SELECT profile_id FROM member WHERE site = :site AND jid = :jid", site=app.site, jid=jid
    )
    if owner is not None:
        raise Refused("That is your address already." if owner == profile else "That address is somebody else's.")

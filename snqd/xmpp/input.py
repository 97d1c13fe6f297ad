"""What becomes of a stanza that came in: an item of `xmppin`, an answer that the protocol wants, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import BadItem
from snqd.items import new_item
from snqd.xmpp.stanzas import QUEUE_IN, bare, is_own, message_of, presence, presence_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from snqd.items import NewItem
    from snqd.xmpp.accounts import Account


class Input(NamedTuple):
    """`item` is None for what is not kept; `answers` are stanzas to send at once."""

    item: NewItem | None = None
    answers: tuple[bytes, ...] = ()
    refused: Refused | None = None


class Refused(NamedTuple):
    """What should have been an item of a site and cannot be one."""

    site: str
    sender: str
    error: str


class InputReader:
    """One per connection."""

    def __init__(self, account: Account, frame_limit_bytes: int) -> None:
        self._account = account
        self._frame_limit_bytes = frame_limit_bytes

    def read(self, stanza: Element) -> Input:
        match stanza.tag.rpartition("}")[2]:
            case "message":
                return self._kept(stanza, message_of(stanza, self._account.name))
            case "presence":
                kept = self._kept(stanza, presence_of(stanza, self._account.name))
                return kept._replace(answers=self._answers(stanza))
        return Input()

    def _kept(self, stanza: Element, payload: object) -> Input:
        site = self._account.site_of(stanza.get("to", ""))
        if payload is None or site is None or not self._account.xmpp.receive:
            return Input()
        try:
            return Input(new_item(QUEUE_IN, payload, site=site, frame_limit_bytes=self._frame_limit_bytes))
        except BadItem as error:  # longer than an item may be: no person has written that
            return Input(refused=Refused(site, stanza.get("from", ""), str(error)))

    def _answers(self, stanza: Element) -> tuple[bytes, ...]:
        """To those who want to see our presence. A server answers for an account; a component answers for itself."""
        account, sender = self._account, stanza.get("from", "")
        if is_own(sender, account.name):
            return ()
        kind, own = stanza.get("type"), self._own(stanza)
        here = presence(bare(sender), sender=own, status=account.xmpp.status)
        if kind == "subscribe" and account.xmpp.accept_subscriptions:
            accepted = presence(bare(sender), type="subscribed", sender=own)
            return (accepted, here) if account.xmpp.component else (accepted,)
        return (here,) if kind == "probe" and account.xmpp.component else ()

    def _own(self, stanza: Element) -> str:
        """Who answers: the address that was asked; for an account the server puts it in."""
        return bare(stanza.get("to", "")) or self._account.name if self._account.xmpp.component else ""

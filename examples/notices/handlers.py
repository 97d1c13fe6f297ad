"""The handlers: `[handlers] modules = ["notices.handlers"]`. Each is one transaction with the end of its item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notices import addresses, delivery, incoming, posting
from notices.app import app_of
from snqd import Context, Discard, handler

if TYPE_CHECKING:
    from notices.app import App
    from notices.posting import Notice


@handler("distrib", transactional=True)
def distrib(payload: Any, context: Context) -> None:
    """Who gets a notice. Payload: its id, a number, as StatusNet had it."""
    app = app_of(context)
    delivery.distribute(app, _notice(app, payload))


@handler("jabber", transactional=True)
def jabber(payload: Any, context: Context) -> None:
    """Send a notice to the people who get it. Payload: its id, or `{"notice": id, "after": profile}` for the rest."""
    app = app_of(context)
    number, after = (payload["notice"], payload["after"]) if isinstance(payload, dict) else (payload, 0)
    delivery.deliver(app, _notice(app, number), after=after)


@handler("public", transactional=True)
def public(payload: Any, context: Context) -> None:
    """Send a public notice to the JIDs that get all of them. Payload: its id."""
    app = app_of(context)
    delivery.publish(app, _notice(app, payload))


@handler("xmppconfirm", transactional=True)
def xmppconfirm(payload: Any, context: Context) -> None:
    """Ask whether an address belongs to a member. Payload: `{"code": …}`."""
    if not addresses.ask(app_of(context), payload["code"]):
        raise Discard("the address is confirmed, replaced or expired")


@handler("xmppin", transactional=True)
def xmppin(payload: Any, context: Context) -> None:
    """What somebody sent by XMPP. Payload: `Message` or `Presence` of `snqd.xmpp.stanzas`."""
    done = incoming.receive(app_of(context), payload)
    context.logger.debug("%s from %s: %s", payload["kind"], payload["from"], done)


def _notice(app: App, number: Any) -> Notice:
    is_id = type(number) is int and 0 < number < 1 << 63  # a payload can be anything, and True is an int
    found = posting.read(app, number) if is_id else None
    if found is None:
        raise Discard(f"there is no notice {number!r}")
    return found

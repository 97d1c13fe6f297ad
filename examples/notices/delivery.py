"""Who gets a notice, and sending it: each step can be repeated, for items are handled at least once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notices.rendering import render
from snqd.xmpp.stanzas import CODEC, QUEUE_OUT

if TYPE_CHECKING:
    from notices.app import App
    from notices.posting import Notice
    from notices.rendering import Message

BATCH = 500
"""Recipients in one item of `jabber`: a transaction of a tenth of a second."""


def distribute(app: App, notice: Notice) -> None:
    """Put a notice into the inboxes, and queue what follows."""
    run, author = app.database.run, notice.author.id
    run(
        "INSERT INTO inbox (notice_id, profile_id, reason)"
        " SELECT notice_id, addressee.profile_id, 'reply' FROM addressee"
        " JOIN member ON member.profile_id = addressee.profile_id"
        " WHERE notice_id = :notice AND addressee.profile_id <> :author ON CONFLICT DO NOTHING",
        notice=notice.id, author=author,
    )  # fmt: skip
    if notice.is_public:
        run(
            "INSERT INTO inbox (notice_id, profile_id, reason)"
            " SELECT :notice, profile_id, 'subscription' FROM subscription JOIN member ON profile_id = subscriber"
            " WHERE subscribed = :author ON CONFLICT DO NOTHING",
            notice=notice.id, author=author,
        )  # fmt: skip
        run(
            "INSERT INTO inbox (notice_id, profile_id, reason)"
            " SELECT DISTINCT notice_id, member.profile_id, 'group' FROM group_notice"
            " JOIN group_member ON group_member.group_id = group_notice.group_id"
            " JOIN member ON member.profile_id = group_member.profile_id"
            " WHERE notice_id = :notice AND member.profile_id <> :author ON CONFLICT DO NOTHING",
            notice=notice.id, author=author,
        )  # fmt: skip
    app.enqueue("jabber", notice.id, unique_key=f"notice {notice.id}")
    if notice.is_public and app.settings.public:
        app.enqueue("public", notice.id, unique_key=f"notice {notice.id}")


def deliver(app: App, notice: Notice, *, after: int = 0) -> None:
    """Send a notice to the next `BATCH` recipients whose profile's id is above `after`, and queue the rest.

    Who has an address gets what was sent to a group, replies if wanted, and notices of a subscription if wanted for it.
    """
    recipients = app.database.run(
        "SELECT DISTINCT member.profile_id, member.jid FROM inbox"
        " JOIN member ON member.profile_id = inbox.profile_id"
        " LEFT JOIN subscription ON subscriber = member.profile_id AND subscribed = :author"
        " WHERE notice_id = :notice AND member.profile_id > :after AND member.jid IS NOT NULL AND jabber_notify"
        " AND (reason = 'group' OR reason = 'reply' AND jabber_replies"
        "      OR reason = 'subscription' AND subscription.jabber)"
        " ORDER BY member.profile_id LIMIT :batch",
        notice=notice.id, author=notice.author.id, after=after, batch=BATCH,
    )  # fmt: skip
    stanza = render(notice, app.settings.url)
    for _profile, jid in recipients:
        _send_once(app, notice, stanza, jid)
    if len(recipients) == BATCH:
        app.enqueue("jabber", {"notice": notice.id, "after": recipients[-1][0]})


def publish(app: App, notice: Notice) -> None:
    """Send a public notice to everybody who gets all of them. A private one to nobody, whatever was enqueued."""
    if not notice.is_public:
        return
    stanza = render(notice, app.settings.url)
    for jid in app.settings.public:
        _send_once(app, notice, stanza, jid)


def _send_once(app: App, notice: Notice, stanza: Message, jid: str) -> None:
    """Note the delivery and enqueue the stanza, in one transaction; nothing if it was noted before."""
    is_new = app.database.run(
        "INSERT INTO delivery (notice_id, jid) VALUES (:notice, :jid) ON CONFLICT DO NOTHING RETURNING notice_id",
        notice=notice.id, jid=jid,
    )  # fmt: skip
    if is_new:
        app.enqueue(QUEUE_OUT, stanza.to(jid), codec=CODEC)

"""A daemon's alarms become stanzas for the people of `alarms.xmpp`, and so does their end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.command import Command
    from tests.support.daemons import Daemon, Place

pytestmark = pytest.mark.fork

SOURCE = """
@handler("mail")
def mail(payload, context): ...
"""


def told(place: Place) -> list[tuple[str, str]]:
    """To whom and what, in the order in which it is sent."""
    rows = place.sql("SELECT frame FROM queue_item WHERE queue = 'xmppout' ORDER BY priority, id")
    stanzas = [ElementTree.fromstring(bytes(frame)) for (frame,) in rows]
    return [(stanza.get("to", ""), stanza.findtext("body", "")) for stanza in stanzas]


def test_an_alarm_and_its_end_are_told_to_everybody_with_the_cause(
    make_daemon: Callable[..., Daemon], sqlite_place: Place
) -> None:
    alarms = {"xmpp": ["ops@example.net", "ada@example.net"], "no_handler_seconds": 0.5, "hold_seconds": 0.5}
    place = sqlite_place
    item = place.enqueue("nobodys")
    make_daemon(place, SOURCE, alarms=alarms)

    def lines(begin: str) -> list[tuple[str, str]]:
        return [(jid, line) for jid, text in told(place) for line in text.splitlines() if begin in line]

    wait_until(lambda: len(lines("ALARM no_handler of nobodys")) == 2, "the alarm to be told to both", seconds=30)
    jids, texts = zip(*lines("ALARM no_handler of nobodys"), strict=True)
    assert set(jids) == {"ops@example.net", "ada@example.net"}
    assert all("1 item has waited" in text for text in texts)
    assert any("no handler is registered" in text and "(" in text for _jid, text in told(place))

    place.sql("DELETE FROM queue_item WHERE id = ?", item)
    wait_until(lambda: len(lines("over: no_handler of nobodys")) == 2, "its end to be told to both", seconds=30)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ('xmpp = ["ops"]', "alarms.xmpp has 'ops', which is no JID"),
        ('xmpp = ["a b@example.net"]', "no JID"),
        ("xmpp_per_minute = 0", "alarms.xmpp_per_minute"),
        ('xmpp = ["ops@example.net"]\n[telemetry]\nenabled = false', "nobody would judge alarms"),
    ],
)
def test_a_setting_that_cannot_work_is_told_at_the_start(snqd: Command, setting: str, expected: str) -> None:
    snqd.write("snqd.toml", f"[alarms]\n{setting}\n")

    assert expected in snqd("config", "check").error

"""Two hosts on one database serve XMPP: one is connected, and when it dies the other sends what is left, in order."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from snqd import xmpp
from snqd.items import new_item
from tests.support.processes import wait_until
from tests.support.prosody import OTHER_HOST, PASSWORD
from tests.support.xmpp import JID
from tests.support.xmpp_client import XmppClient
from tests.xmpp.test_daemon import APP, xmpp_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place
    from tests.support.prosody import Prosody

    MakeDaemon = Callable[..., Daemon]

pytestmark = [pytest.mark.fork, pytest.mark.pg, pytest.mark.xmpp]
BOB = f"bob@{OTHER_HOST}"
STANZAS = 3000


def serving(name: str) -> dict[str, object]:
    return {"name": name, "serve": ["xmpp"], "takeover_seconds": 9}


@pytest.mark.parametrize("kind", ["client", "component"])
def test_the_second_host_takes_over_and_no_stanza_is_lost_or_out_of_order(
    make_daemon: MakeDaemon, postgres_place: Place, prosody: Prosody, kind: str
) -> None:
    place = postgres_place
    for jid in (JID, BOB):
        prosody.add_account(jid)
    prosody.start()
    first = make_daemon(place, APP, daemon=serving("first"), xmpp=xmpp_of(kind, prosody), folder="first")
    first.wait_event("ConnectionUp")
    second = make_daemon(place, APP, daemon=serving("second"), xmpp=xmpp_of(kind, prosody), folder="second")
    assert "/first.1/" in second.wait_event("WorkerStandsBy")["claimant"]

    place.enqueue_all([new_item("xmppout", xmpp.message(BOB, str(number)), codec="xml") for number in range(STANZAS)])
    with contextlib.closing(XmppClient(prosody, BOB, PASSWORD)) as bob:
        wait_until(lambda: len(bob.messages()) > STANZAS / 10, "the first sends")
        first.kill_group()
        came = bob.messages()
        second.wait_event("ConnectionUp", seconds=60)
        place.wait_empty()
        wait_until(lambda: len(set(bob.messages())) == STANZAS, "all have come")
        bodies = [int(body) for body in bob.messages()]

    assert len(came) < STANZAS, "the first was killed in the middle"
    assert list(dict.fromkeys(bodies)) == list(range(STANZAS)), "each came, and first in its order"
    held = sum(event["count"] for event in second.events("ItemsReclaimed"))
    assert len(bodies) - STANZAS <= held, "twice came what the first held when it was killed, and no more"
    assert place.dead() == []
    assert second.stop() == 0
    assert second.events("ConnectionDown") == []

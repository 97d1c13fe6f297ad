"""The second server: what works with Prosody works with ejabberd, which acknowledges and refuses in ways of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ejabberd import Ejabberd, running_ejabberd
from tests.support.prosody import COMPONENT, OTHER_HOST, PASSWORD
from tests.support.xmpp import JID, client_settings, component_settings, connected
from tests.support.xmpp_client import CLIENT, XmppClient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xmpp
BOB = f"bob@{OTHER_HOST}"


@pytest.fixture(scope="module")
def server() -> Iterator[Ejabberd]:
    with running_ejabberd() as found:
        yield found


@pytest.fixture
def bob(server: Ejabberd) -> Iterator[XmppClient]:
    client = XmppClient(server, BOB, PASSWORD)
    yield client
    client.close()


@pytest.mark.parametrize("kind", ["client", "component"])
async def test_stanzas_are_acknowledged_and_input_is_queued(server: Ejabberd, bob: XmppClient, kind: str) -> None:
    settings = client_settings(server) if kind == "client" else component_settings(server)
    to = JID if kind == "client" else f"news@{COMPONENT}"
    async with connected(settings) as worker:
        bodies = [f"notice {number}" for number in range(150)]
        await asyncio.wait_for(asyncio.gather(*(worker.send(BOB, body) for body in bodies)), 30)
        assert await asyncio.to_thread(bob.wait_messages, 150) == bodies
        assert (worker.fact.connects, worker.told("ConnectionDown")) == (1, [])

        bob.send(f"<message to='{to}' type='chat' id='m1'><body>hello</body></message>")
        await worker.until(lambda: any(each["id"] == "m1" for each in worker.input()), "it is queued")
        bob.send(f"<iq type='get' id='p1' to='{to if kind == 'component' else to + '/snqd'}'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>")  # fmt: skip
        pong = await asyncio.to_thread(bob.wait, lambda stanza: stanza.get("id") == "p1")
        assert pong.get("type") == "result"


@pytest.mark.parametrize(
    ("kind", "changes"), [("client", {"password": "wrong"}), ("component", {"password": "wrong"})], ids=str
)
async def test_a_wrong_password_is_told_once(server: Ejabberd, kind: str, changes: dict[str, Any]) -> None:
    settings = client_settings(server, **changes) if kind == "client" else component_settings(server, **changes)
    async with connected(settings, wait=False) as worker:
        await worker.until(lambda: worker.told("ConnectionDown"), "it is told")
        (down,) = worker.told("ConnectionDown")
        assert "not-authorized" in down.error
        assert down.retry_seconds >= 10


async def test_a_message_of_usual_trouble_does_not_end_the_stream(server: Ejabberd, bob: XmppClient) -> None:
    async with connected(client_settings(server)) as worker:
        await worker.send("nobody at all@@", "to no address")
        await worker.send(f"nobody@nowhere.{OTHER_HOST}", "to no server")
        await worker.send(BOB, "x" * 200_000)
        await worker.send(BOB, "after")
        long = await asyncio.to_thread(bob.wait, lambda stanza: len(stanza.findtext(f"{CLIENT}body") or "") == 200_000)
        assert long.get("from") == f"{JID}/snqd"
        await asyncio.to_thread(bob.wait, lambda stanza: stanza.findtext(f"{CLIENT}body") == "after")
        assert worker.told("ConnectionDown") == []

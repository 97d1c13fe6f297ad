"""A connection and a real Prosody: what is acknowledged is there, what fails is told once, nothing spins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snqd.retry import Backoff
from snqd.xmpp import connection as module
from snqd.xmpp import inbox
from snqd.xmpp.away import NotConnected
from tests.support.prosody import COMPONENT, HOST, OTHER_HOST, PASSWORD, running_prosody
from tests.support.stopwatch import Stopwatch
from tests.support.xmpp import JID, client_settings, component_settings, connected
from tests.support.xmpp_client import CLIENT, XmppClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.config.schema import XmppConfig
    from tests.support.prosody import Prosody

pytestmark = pytest.mark.xmpp
BOB = f"bob@{OTHER_HOST}"


@pytest.fixture(scope="module")
def shared() -> Iterator[Prosody]:
    """A server that no test of this module stops or breaks."""
    with running_prosody(start=False) as server:
        server.add_account(JID)
        server.add_account(BOB)
        server.start()
        yield server


@pytest.fixture
def bob(shared: Prosody) -> Iterator[XmppClient]:
    """The other side, there and listening."""
    client = XmppClient(shared, BOB, PASSWORD)
    yield client
    client.close()


@pytest.fixture
def server(prosody: Prosody) -> Prosody:
    """A server of the test's own, not started yet."""
    prosody.add_account(JID)
    prosody.add_account(BOB)
    return prosody


@pytest.fixture(params=["client", "component"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings(kind: str, server: Prosody, **changes: Any) -> XmppConfig:
    return client_settings(server, **changes) if kind == "client" else component_settings(server, **changes)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait for the same decisions, sooner."""
    monkeypatch.setattr(module, "_BACKOFF", Backoff(first_seconds=0.1, limit_seconds=0.5, jitter=0.5))
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)


async def test_what_the_server_has_taken_arrives_in_order(kind: str, shared: Prosody, bob: XmppClient) -> None:
    async with connected(settings(kind, shared)) as worker:
        bodies = [f"notice {number} <&> {kind}" for number in range(200)]
        await asyncio.wait_for(asyncio.gather(*(worker.send(BOB, body) for body in bodies)), 20)

        last = await asyncio.to_thread(bob.wait, lambda stanza: stanza.findtext(f"{CLIENT}body") == bodies[-1])
        assert [body for body in bob.messages() if body.endswith(kind)] == bodies
        assert last.get("from") == (f"{JID}/snqd" if kind == "client" else f"news@{COMPONENT}")
        await worker.until(lambda: worker.fact.acknowledged == 200, "it is told")
        assert (worker.fact.state, worker.fact.sent, worker.fact.unacknowledged) == ("connected", 200, 0)
        (up,) = worker.told("ConnectionUp")
        assert (up.service, up.site) == ("xmpp", "a")


async def test_input_is_queued_and_the_server_is_told_when_it_is_durable(
    kind: str, shared: Prosody, bob: XmppClient
) -> None:
    async with connected(settings(kind, shared)) as worker:
        to = JID if kind == "client" else f"news@{COMPONENT}"
        worker.is_store_away = True
        for number in range(300):
            bob.send(f"<message to='{to}' type='chat'><body>post {number}</body></message>")
        bob.send(f"<message to='{to}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
        await worker.until(lambda: worker.fact.received >= 300, "all has come")
        assert worker.input() == []
        worker.is_store_away = False
        await worker.until(lambda: len([each for each in worker.input() if "body" in each]) >= 300, "it is stored")

        messages = [each for each in worker.input() if each["kind"] == "message"]
        assert [each["body"] for each in messages] == [f"post {number}" for number in range(300)]
        assert {(each["from"], each["to"], each["type"]) for each in messages} == {(f"{BOB}/test", to, "chat")}


async def test_a_flood_waits_in_the_network_while_the_store_is_away(
    kind: str, shared: Prosody, bob: XmppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "FULL", 50)
    text = "x" * 4000
    async with connected(settings(kind, shared)) as worker:
        to = JID if kind == "client" else f"news@{COMPONENT}"
        worker.is_store_away = True
        for number in range(1000):
            bob.send(f"<message to='{to}' type='chat'><body>{number} {text}</body></message>")
        bob.send(f"<iq type='get' id='behind' to='{OTHER_HOST}'><ping xmlns='urn:xmpp:ping'/></iq>")
        await asyncio.to_thread(bob.wait, lambda stanza: stanza.get("id") == "behind")
        await worker.until(lambda: worker.connection._inbox.is_full, "it reads no more")
        assert worker.connection._inbox.received < 500, "the rest is where it costs this process nothing"
        worker.is_store_away = False
        await worker.until(lambda: len(worker.input()) >= 1000, "all is stored")

        bodies = [each["body"].split()[0] for each in worker.input() if each["kind"] == "message"]
        assert bodies == [str(number) for number in range(1000)]
        assert worker.told("ConnectionDown") == []


async def test_a_ping_measures_the_way_and_others_are_answered(kind: str, shared: Prosody, bob: XmppClient) -> None:
    async with connected(settings(kind, shared, ping_seconds=0.1)) as worker:
        await worker.until(lambda: worker.fact.ping_seconds > 0, "a ping came back")
        to = f"{JID}/snqd" if kind == "client" else COMPONENT
        bob.send(f"<iq type='get' id='p1' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>")
        pong = await asyncio.to_thread(bob.wait, lambda stanza: stanza.get("id") == "p1")
        assert pong.get("type") == "result"
        bob.send(f"<iq type='get' id='q1' to='{to}'><query xmlns='urn:example:unknown'/></iq>")
        refusal = await asyncio.to_thread(bob.wait, lambda stanza: stanza.get("id") == "q1")
        assert refusal.get("type") == "error"
        await worker.send(BOB, "and stanzas that the library sends are counted")
        assert (worker.connection.fact.connects, worker.told("ConnectionDown")) == (1, []), (
            "or the numbers would differ"
        )


async def test_a_server_that_is_down_is_told_once_and_what_waits_is_sent_when_it_is_up(
    kind: str, server: Prosody
) -> None:
    async with connected(settings(kind, server), wait=False) as worker:
        sent = [worker.send(BOB, f"notice {number}") for number in range(50)]
        await worker.until(lambda: worker.told("ConnectionDown"), "it is told")
        await asyncio.sleep(0.7)  # several tries, with back-off: not one more line, and hardly any work
        (down,) = worker.told("ConnectionDown")
        assert "cannot connect to 127.0.0.1" in down.error
        assert (worker.fact.state in ("backing off", "connecting"), worker.fact.unacknowledged) == (True, 50)
        assert not any(future.done() for future in sent)

        await asyncio.to_thread(server.start)
        await asyncio.wait_for(asyncio.gather(*sent), 20)

    bob = await asyncio.to_thread(XmppClient, server, BOB, PASSWORD)
    assert await asyncio.to_thread(bob.wait_messages, 50) == [f"notice {number}" for number in range(50)]
    bob.close()


async def test_a_killed_server_costs_no_stanza(kind: str, server: Prosody) -> None:
    await asyncio.to_thread(server.start)
    async with connected(settings(kind, server)) as worker:
        sent = [worker.send(BOB, f"{number:03}") for number in range(40)]
        await asyncio.gather(*sent)
        server.freeze()
        sent += [worker.send(BOB, f"{number:03}") for number in range(40, 60)]
        await worker.until(lambda: worker.fact.sent == 60, "they are written")
        await asyncio.to_thread(server.kill)
        sent += [worker.send(BOB, f"{number:03}") for number in range(60, 80)]
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(asyncio.gather(*sent), 20)
        assert worker.fact.connects == 2
        first = worker.told("ConnectionDown")[0]
        assert "connection lost" in first.error or "reset" in first.error.lower()

    bob = await asyncio.to_thread(XmppClient, server, BOB, PASSWORD)
    await asyncio.to_thread(bob.wait, lambda stanza: stanza.findtext(f"{CLIENT}body") == "079")
    first = list(dict.fromkeys(bob.messages()))
    assert first == [f"{number:03}" for number in range(80)], "each is there, in order, whatever came twice"
    bob.close()


async def test_a_server_that_does_not_answer_is_given_up(kind: str, server: Prosody) -> None:
    await asyncio.to_thread(server.start)
    async with connected(settings(kind, server, ping_seconds=0.2, ping_timeout_seconds=0.5)) as worker:
        server.freeze()
        watch = Stopwatch()
        await worker.until(lambda: worker.told("ConnectionDown"), "it is noticed")
        assert "has not answered for 0.5 s" in worker.told("ConnectionDown")[0].error
        assert watch.seconds < 10
        sent = worker.send(BOB, "hello")
        server.thaw()
        await asyncio.wait_for(sent, 20)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("client", {"password": "wrong"}, "refuses to log in update@a.example: not-authorized"),
        ("client", {"jid": f"nobody@{HOST}"}, "refuses to log in nobody@a.example: not-authorized"),
        ("client", {"ca_file": None}, "is not trusted"),
        ("client", {"jid": "update@c.example"}, ""),
        ("client", {"ca_file": "/nowhere"}, "xmpp.ca_file /nowhere: cannot be used: No such file"),
        (
            "client",
            {"password": None, "password_file": "/nowhere"},
            "xmpp.password_file /nowhere: there is no such file",
        ),
        ("component", {"password": "wrong"}, "not-authorized"),
        ("component", {"jid": "other.example"}, "host-unknown"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_refusal_is_told_once_and_not_asked_again_soon(
    kind: str, changes: dict[str, Any], words: str, shared: Prosody
) -> None:
    async with connected(settings(kind, shared, **changes), wait=False) as worker:
        sent = worker.send(BOB, "hello")
        await worker.until(lambda: worker.told("ConnectionDown"), "it is told")
        (down,) = worker.told("ConnectionDown")
        assert words in down.error
        assert "\n" not in down.error
        assert "wrong" not in down.error, "a password is in no event"
        assert down.retry_seconds >= 10
        assert (worker.fact.state, worker.fact.problem) == ("backing off", down.error)
        assert not sent.done()


async def test_without_starttls_nothing_is_sent_in_the_clear(server: Prosody) -> None:
    server.configure(extra='modules_disabled = { "s2s", "tls" }', encrypted=False)
    await asyncio.to_thread(server.start)
    async with connected(client_settings(server), wait=False) as worker:
        await worker.until(lambda: worker.told("ConnectionDown"), "it is told")
        assert "offers no STARTTLS" in worker.told("ConnectionDown")[0].error

    async with connected(client_settings(server, encryption=False)) as worker:
        await asyncio.wait_for(worker.send(BOB, "hello"), 20)


async def test_without_acknowledgements_a_ping_is_the_barrier(server: Prosody) -> None:
    server.configure(extra='modules_disabled = { "s2s", "smacks" }')
    await asyncio.to_thread(server.start)
    async with connected(client_settings(server)) as worker:
        await asyncio.wait_for(asyncio.gather(*(worker.send(BOB, str(number)) for number in range(100))), 20)
        assert worker.fact.ping_seconds > 0 or worker.connection._ping_seconds > 0


async def test_two_with_one_resource_do_not_push_each_other_out_for_ever(shared: Prosody) -> None:
    async with connected(client_settings(shared)) as first, connected(client_settings(shared)) as second:
        await first.until(lambda: first.told("ConnectionDown"), "the first is pushed out")
        (down,) = first.told("ConnectionDown")
        assert "conflict" in down.error
        assert "or a daemon on another store?" in down.error
        assert down.retry_seconds >= 10
        await asyncio.wait_for(second.send(BOB, "hello"), 20)


async def test_what_waits_is_let_go_when_the_worker_leaves_and_nobody_is_there(server: Prosody) -> None:
    async with connected(client_settings(server), wait=False) as worker:
        await worker.until(lambda: worker.context.facts, "it has begun")
        sent = worker.send(BOB, "hello")
        worker.connection.let_go(NotConnected())
        with pytest.raises(NotConnected):
            await sent


async def test_presence_says_status_and_priority_and_subscriptions_are_accepted(
    shared: Prosody, bob: XmppClient
) -> None:
    changes = {"status": "post here", "priority": 42, "accept_subscriptions": True}
    async with connected(client_settings(shared, **changes)) as worker:
        bob.send(f"<presence type='subscribe' to='{JID}'/>")
        seen = await asyncio.to_thread(bob.wait, lambda stanza: stanza.findtext(f"{CLIENT}status") == "post here")
        assert seen.findtext(f"{CLIENT}priority") == "42"
        await worker.until(lambda: [each for each in worker.input() if each["type"] == "subscribe"], "it is queued")
    left = ("unavailable", f"{JID}/snqd")
    await asyncio.to_thread(bob.wait, lambda stanza: (stanza.get("type"), stanza.get("from")) == left)

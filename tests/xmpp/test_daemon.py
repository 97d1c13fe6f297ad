"""The whole way: workers send, the one with the connections delivers, and servers and workers die meanwhile.

`test_every_stanza_arrives_whatever_dies` is bounded for CI; `SNQD_XMPP_STANZAS=20000` (`make soak`) runs it in full.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until
from tests.support.prosody import COMPONENT, HOST, OTHER_HOST, PASSWORD, SECRET, Prosody
from tests.support.stopwatch import Stopwatch
from tests.support.xmpp_client import XmppClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqd.stores.records import QueueFacts
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = [pytest.mark.fork, pytest.mark.xmpp]
JID = f"update@{HOST}"
STANZAS = int(os.environ.get("SNQD_XMPP_STANZAS", "3000"))
WORKERS, RECIPIENTS, BATCH = 4, 12, 50
log = logging.getLogger("tests.xmpp")
TROUBLE = ("server", "worker", "server", "worker", "server") if STANZAS > 5000 else ("server", "worker")
AT_ONCE = 200
"""Most stanzas on their way, so most that a lost connection makes come twice."""

APP = """
from snqd import xmpp

@handler("post")
def post(payload, context):
    for number in range(payload["count"]):
        xmpp.send_message(context, payload["to"], f"{payload['batch']} {number}", atomically=True)

@handler("xmppin")
def received(payload, context):
    note("in", context, **{"sender": payload.pop("from")}, **payload)
    if payload["kind"] == "message":
        xmpp.send_message(context, payload["to"] and "bob@b.example", "You said: " + payload["body"], atomically=True)
"""


def xmpp_of(kind: str, server: Prosody, **changes: Any) -> dict[str, Any]:
    """`[xmpp]` of the file."""
    known: dict[str, Any] = {"enabled": True, "host": "127.0.0.1"}
    if kind == "client":
        known |= {"jid": JID, "password": PASSWORD, "port": server.port, "ca_file": str(server.ca_file)}
    else:
        known |= {"jid": f"news@{COMPONENT}", "password": SECRET, "component": True, "port": server.component_port}
    return {**known, **changes}


@pytest.fixture
def server(prosody: Prosody) -> Prosody:
    prosody.add_account(JID)
    prosody.add_account(f"bob@{OTHER_HOST}")
    return prosody


@pytest.mark.pg
def test_a_message_goes_in_and_its_answer_out(make_daemon: MakeDaemon, postgres_place: Place, server: Prosody) -> None:
    place = postgres_place
    server.start()
    daemon = make_daemon(
        place, APP, daemon={"serve": ["main", "xmpp"], "threads": 2}, xmpp=xmpp_of("client", server), ready=False
    )
    daemon.wait_event("ConnectionUp")
    bob = XmppClient(server, f"bob@{OTHER_HOST}", PASSWORD)
    bob.send(f"<message to='{JID}' type='chat' id='m1'><body>hello</body></message>")

    assert bob.wait_messages(1) == ["You said: hello"]
    fact = daemon.wait_fact("in", kind="message")
    assert (fact["sender"], fact["body"], fact["id"], fact["site"]) == (
        f"bob@{OTHER_HOST}/test",
        "hello",
        "m1",
        "default",
    )
    assert fact["pid"] not in {worker.pid for worker in daemon.workers() if worker.name == "main.1"}
    bob.close()
    assert daemon.stop() == 0
    place.wait_empty(queue="xmppout")


def test_a_message_that_cannot_be_an_item_is_told_and_the_next_one_is_kept(
    make_daemon: MakeDaemon, sqlite_place: Place, server: Prosody
) -> None:
    server.start()
    daemon = make_daemon(
        sqlite_place, APP, daemon={"serve": ["main", "xmpp"]}, xmpp=xmpp_of("client", server),
        store={"frame_limit_bytes": 2000}, ready=False,
    )  # fmt: skip
    daemon.wait_event("ConnectionUp")
    bob = XmppClient(server, f"bob@{OTHER_HOST}", PASSWORD)
    for body in ("long " * 500, "short"):
        bob.send(f"<message to='{JID}' type='chat'><body>{body}</body></message>")

    assert daemon.wait_fact("in", kind="message")["body"] == "short"
    refused = daemon.wait_event("InputRefused")
    assert (refused["name"], refused["site"], refused["sender"]) == (JID, "default", f"bob@{OTHER_HOST}/test")
    assert "2,000" in refused["error"]
    bob.close()
    assert daemon.stop() == 0


def test_frames_that_would_break_the_stream_are_dead_letters_and_the_others_go_on(
    make_daemon: MakeDaemon, sqlite_place: Place, server: Prosody
) -> None:
    server.start()
    place = sqlite_place
    bad = [b"</stream:stream>", b"<message/><message/>", b"<!DOCTYPE a><message/>", b"<message to='b'>", b"nothing"]
    for frame in bad:
        place.enqueue("xmppout", frame, codec="raw")
    place.enqueue("xmppout", f"<message to='bob@{OTHER_HOST}' type='chat'><body>after</body></message>", codec="xml")
    daemon = make_daemon(place, APP, daemon={"serve": ["xmpp"]}, xmpp=xmpp_of("client", server))
    place.wait_empty()

    letters = place.dead()
    assert [letter.frame for letter in letters] == bad
    assert {letter.reason for letter in letters} == {"bad_item"}
    assert all(letter.last_error or letter.traceback is None for letter in letters)
    bob = XmppClient(server, f"bob@{OTHER_HOST}", PASSWORD)
    assert bob.wait_messages(1) == ["after"]
    bob.close()
    assert len(daemon.events("ConnectionUp")) == 1
    assert daemon.events("ConnectionDown") == []


def test_one_site_that_is_away_keeps_nobody_waiting(
    make_daemon: MakeDaemon, sqlite_place: Place, server: Prosody
) -> None:
    place = sqlite_place
    server.start()
    with_site = {"gone.example": {"xmpp": {**xmpp_of("client", server), "port": 1, "jid": "update@c.example"}}}
    with_site["here.example"] = {"xmpp": xmpp_of("client", server)}
    for number in range(300):
        place.enqueue(
            "xmppout", f"<message to='x@{OTHER_HOST}'><body>{number}</body></message>", codec="xml", site="gone.example"
        )
    daemon = make_daemon(place, APP, daemon={"serve": ["xmpp"]}, site=with_site)
    paused = daemon.wait_event("Paused", queue="xmppout", site="gone.example")
    assert paused["author"] == "xmpp worker"
    assert "cannot connect" in paused["reason"]
    place.enqueue(
        "xmppout",
        f"<message to='bob@{OTHER_HOST}' type='chat'><body>x</body></message>",
        codec="xml",
        site="here.example",
    )
    place.wait_empty(site="here.example")

    assert daemon.stop() == 0
    waiting = place.waiting(site="gone.example")
    assert len(waiting) == 300
    assert {(item.attempts, item.claimed_by) for item in waiting} == {(0, None)}
    with place.open() as store:
        assert store.pauses() == [], "a pause does not outlive its worker"


def test_without_a_server_the_daemon_leaves_at_once_and_loses_nothing(
    make_daemon: MakeDaemon, sqlite_place: Place, server: Prosody
) -> None:
    for number in range(100):
        sqlite_place.enqueue("xmppout", f"<message to='bob@{OTHER_HOST}'><body>{number}</body></message>", codec="xml")
    daemon = make_daemon(sqlite_place, APP, daemon={"serve": ["xmpp"]}, xmpp=xmpp_of("client", server))
    daemon.wait_event("ConnectionDown")

    watch = Stopwatch()
    assert daemon.stop() == 0
    assert watch.seconds < 10, "the grace period is 30 seconds"
    assert {item.attempts for item in sqlite_place.waiting()} == {0}
    assert len(sqlite_place.waiting()) == 100


@pytest.mark.parametrize("kind", ["client", "component"])
@pytest.mark.timeout(600 if STANZAS > 5000 else 120)
def test_every_stanza_arrives_whatever_dies(
    make_daemon: MakeDaemon,
    sqlite_place: Place,
    server: Prosody,
    kind: str,
) -> None:
    """Four workers send; the server is killed and restarted, and the worker with the connection is killed.

    The recipients are away, so the server keeps the messages on disk before it acknowledges them: what a kill of the
    server loses is then ours, and not what it had taken over.
    """
    place = sqlite_place
    people = [server.add_account(f"p{number}@{OTHER_HOST}") for number in range(RECIPIENTS)]
    server.start()
    daemon = make_daemon(
        place, APP, daemon={"serve": ["main", "xmpp"], "threads": WORKERS}, xmpp=xmpp_of(kind, server), ready=False
    )
    daemon.wait_event("ConnectionUp")
    batches = [
        new_item("post", {"to": people[number % RECIPIENTS], "batch": number, "count": BATCH})
        for number in range(STANZAS // BATCH)
    ]
    place.enqueue_all(batches)
    for number, what in enumerate(TROUBLE, 1):
        wait_for_share(place, daemon, number / (len(TROUBLE) + 1))
        if what == "server":
            server.kill()
            server.start()
        else:
            xmpp_worker(daemon).kill(signal.SIGKILL)
    place.wait_empty(seconds=400)
    assert daemon.stop() == 0

    arrived: dict[str, list[int]] = {}
    for person in people:
        expected = sum(BATCH for item in batches if person.encode() in item.frame)
        for body in received_by(server, person, expected):
            batch, _space, number_in_batch = body.partition(" ")
            arrived.setdefault(batch, []).append(int(number_in_batch))
    assert len(arrived) == len(batches)
    for batch, numbers in arrived.items():
        assert list(dict.fromkeys(numbers)) == list(range(BATCH)), f"batch {batch} is whole and in order"
    twice = sum(sum(Counter(numbers).values()) - BATCH for numbers in arrived.values())
    held = sum(event["count"] for event in daemon.events("ItemsReclaimed"))
    at_most = TROUBLE.count("server") * AT_ONCE + held
    assert twice <= at_most, "only what was on its way when a server died, and what a worker held when it was killed"
    assert place.dead() == []
    connections = len(daemon.events("ConnectionUp"))
    log.info("%s: %d stanzas, %d came twice (%d may), %d connections", kind, STANZAS, twice, at_most, connections)


def received_by(server: Prosody, person: str, expected: int) -> list[str]:
    """The bodies of what waited for somebody, when so many different ones have come."""
    with contextlib.closing(XmppClient(server, person, PASSWORD)) as client:
        wait_until(lambda: len(set(client.messages())) >= expected, f"{person} has all {expected}", seconds=60)
        return client.messages()


def wait_for_share(place: Place, daemon: Daemon, share: float) -> None:
    """Until about that share of the stanzas has been delivered."""
    with place.open() as store:

        def delivered() -> int:
            counts: dict[str, QueueFacts] = {each.queue: each for each in store.counts()}
            posts, out = counts.get("post"), counts.get("xmppout")
            left = (posts.ready + posts.claimed) * BATCH if posts else 0
            return STANZAS - left - (out.ready + out.claimed if out else 0)

        wait_until(lambda: delivered() >= share * STANZAS, f"{share:.0%} is delivered; {daemon.log_text()[-3000:]}")


def xmpp_worker(daemon: Daemon) -> Any:
    (worker,) = [worker for worker in daemon.workers() if worker.name == "main.1"]
    return worker


def test_a_site_is_connected_anew_and_disconnected_as_it_is_declared_meanwhile(
    make_daemon: MakeDaemon, sqlite_place: Place, server: Prosody, tmp_path: Path
) -> None:
    server.start()
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "quiet.example.toml").write_text('colour = "red"\n')
    daemon = make_daemon(
        sqlite_place, APP, daemon={"serve": ["xmpp"]}, sites={"directory": str(sites)}, xmpp={"host": "127.0.0.1"}
    )
    daemon.wait_hub()

    declare(sites, server, status="post here")
    up = daemon.wait_event("ConnectionUp")
    assert (up["name"], up["site"]) == (JID, "a.example")
    declare(sites, server, status="post there")
    daemon.wait_events("ConnectionUp", 2)
    sqlite_place.enqueue(
        "xmppout", f"<message to='bob@{OTHER_HOST}'><body>x</body></message>", codec="xml", site="a.example"
    )
    sqlite_place.wait_empty()
    declare(sites, server, enabled=False)
    wait_until(lambda: refused(sqlite_place), "a site that is switched off sends nothing more")
    assert "site 'a.example' has no XMPP" in str(sqlite_place.dead()[0].last_error)
    declare(sites, server)
    daemon.wait_events("ConnectionUp", 3)
    assert daemon.events("ConnectionDown") == []
    assert daemon.stop() == 0


def refused(place: Place) -> bool:
    place.enqueue("xmppout", f"<message to='bob@{OTHER_HOST}'><body>y</body></message>", codec="xml", site="a.example")
    place.wait_empty()
    return bool(place.dead())


def declare(sites: Path, server: Prosody, **changes: Any) -> None:
    """Write the site's file, as an editor does."""
    table = {key: value for key, value in xmpp_of("client", server, **changes).items() if key != "host"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (sites / "new").write_text("\n".join(["[xmpp]", *lines, ""]))
    (sites / "new").replace(sites / "a.example.toml")

"""The example applications in real daemons: from messages that came in to stanzas that go out."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import snqd as queue
from feeds.following import follow
from notices import addresses, people
from snqd.stores.postgres.statusnet import carry_over
from tests.notices.test_feeds import FeedServer
from tests.support.command import PROJECT
from tests.support.notices import EXAMPLES, SITE, Desk
from tests.support.processes import wait_until
from tests.support.prosody import HOST, OTHER_HOST, PASSWORD, Prosody
from tests.support.statusnet import FILL_NEW, NEW_FORM, statusnet_database
from tests.support.xmpp_client import CLIENT, XmppClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command
    from tests.support.postgres import Cluster, Database

pytestmark = pytest.mark.fork

CONFIGURATION = """\
[handlers]
modules = {modules}
entry_points = false

[store]
url = "{url}"

[daemon]
threads = 2

[telemetry]
listen = "127.0.0.1:0"

[site."example.net".notices]
name = "Example"
url = "https://example.net"
public = ["firehose@example.org"]
"""
NOTE_EVERYTHING = """\
import os
from snqd import handler

file = os.open("handled", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(payload, context):
    text = payload.decode() if isinstance(payload, bytes) else repr(payload)
    os.write(file, f"{context.queue} {text}\\n".encode())


@handler("distrib")
def distrib(payload, context):
    note(payload, context)


@handler("xmppout")
def xmppout(payload, context):
    note(payload, context)


@handler("sms")
def sms(payload, context):
    note(payload, context)
"""
QUICK_SERVICE = """\
from feeds.service import FeedService


class Quick(FeedService):
    look_seconds = 0.1
"""


def configure(snqd: Command, url: str, *modules: str) -> None:
    snqd.environ["PYTHONPATH"] = os.pathsep.join([str(snqd.folder), str(PROJECT), str(EXAMPLES)])
    snqd.write("snqd.toml", CONFIGURATION.format(modules=list(modules), url=url))


def drain(snqd: Command) -> None:
    done = snqd("drain")
    assert done.code == 0, done.err


@contextlib.contextmanager
def running(snqd: Command) -> Iterator[None]:
    """`snqd run` until the end of the block."""
    log = (snqd.folder / "log").open("wb")
    daemon = snqd.start("run")
    try:
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        _out, err = daemon.communicate(timeout=60)
        log.write(err)
        log.close()
    assert daemon.returncode == 0, err.decode()


XMPP = """
[site."example.net".xmpp]
enabled = true
jid = "update@{host}"
password = "{password}"
host = "127.0.0.1"
port = {port}
ca_file = "{ca_file}"
"""


@pytest.mark.xmpp
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_people_write_and_read_notices_through_an_xmpp_server(desk: Desk, snqd: Command, prosody: Prosody) -> None:
    jids = [prosody.add_account(f"{name}@{OTHER_HOST}") for name in ("ada", "bob")]
    prosody.add_account(f"update@{HOST}")
    prosody.start()
    configure(snqd, desk.url, "notices.handlers")
    file = snqd.folder / "snqd.toml"
    xmpp = XMPP.format(host=HOST, password=PASSWORD, port=prosody.port, ca_file=prosody.ca_file)
    file.write_text(file.read_text().replace("threads = 2", 'threads = 1\nserve = ["main", "xmpp"]') + xmpp)
    people.register(desk.app, "ada", jid=jids[0])
    bob = people.register(desk.app, "bob")
    code = addresses.save(desk.app, bob, jids[1])
    desk.connection.commit()
    to = f"to='update@{HOST}' type='chat'"

    with running(snqd):
        ada_reads, bob_reads = (XmppClient(prosody, jid, PASSWORD) for jid in jids)
        assert f"confirm {code}" in bob_reads.wait_messages(1)[0]
        for number, said in enumerate((f"confirm {code}", "sub ada"), start=2):
            bob_reads.send(f"<message {to}><body>{said}</body></message>")
            bob_reads.wait_messages(number)
        ada_reads.send(f"<message {to}><body>1 &lt; 2 &amp; #maths</body></message>")
        notice = bob_reads.wait(lambda stanza: "maths" in (stanza.findtext(f"{CLIENT}body") or ""))

        assert bob_reads.messages()[1:] == [
            "[Example] This is now the address of bob. Say help for what you can do.",
            "[Example] You are subscribed to ada.",
            "ada: 1 < 2 & #maths [1]",
        ]
        assert notice.findtext("{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}title") == (
            "ada: 1 < 2 & #maths"
        )
        assert notice.find("{http://jabber.org/protocol/xhtml-im}html") is not None
        for client in (ada_reads, bob_reads):
            client.close()


def test_a_message_that_came_in_goes_out_to_everybody_who_gets_it(desk: Desk, snqd: Command) -> None:
    configure(snqd, desk.url, "notices.handlers")
    for nickname in ("ada", "bob", "cy"):
        desk.member(nickname)
    desk.subscribe("bob", "ada")
    desk.connection.commit()
    message = {
        "kind": "message",
        "from": "ada@example.org/x",
        "to": SITE,
        "type": "chat",
        "id": "1",
        "body": "hello @cy",
    }
    for _ in range(2):  # the xmpp worker had died, and told it twice: two notices, but each of them goes out once
        queue.enqueue(desk.connection, "xmppin", message, site=SITE)
    desk.connection.commit()

    drain(snqd)

    assert sorted(desk.sent()) == sorted(
        (jid, f"ada: hello @cy [{number}]")
        for jid in ("bob@example.org", "cy@example.org", "firehose@example.org")
        for number in (1, 2)
    )


@pytest.mark.pg
def test_ten_thousand_items_of_statusnet_are_imported_and_handled_once(
    pg_cluster: Cluster, pg_database: Database, snqd: Command
) -> None:
    snqd.write("everything.py", NOTE_EVERYTHING)
    configure(snqd, pg_database.url, "everything")
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, rows=10_000) as source:
        done = snqd("schema", "import-statusnet", "--from", source.url, "--site", SITE)
        assert done.code == 0, done.err
        drain(snqd)
        again = snqd("schema", "import-statusnet", "--from", source.url, "--site", SITE)
        assert "0 items carried over; 10,000 rows had been carried over before" in again.err

    handled = (snqd.folder / "handled").read_text().splitlines()
    assert len(handled) == len(set(handled)) == 10_000
    assert Counter(line.split()[0] for line in handled) == {"distrib": 7000, "xmppout": 2000, "sms": 1000}
    assert "distrib 1000" in handled
    assert 'sms a:1:{s:2:"id";i:9;}' in handled
    assert 'xmppout <message to="ada@example.net"><body>7 &amp; ä</body></message>' in handled


@pytest.mark.pg
def test_notices_that_waited_in_statusnet_are_delivered(
    pg_cluster: Cluster, pg_database: Database, snqd: Command
) -> None:
    desk = Desk(pg_database.url)
    configure(snqd, desk.url, "notices.handlers")
    ada = desk.member("ada")
    desk.member("bob")
    desk.subscribe("bob", "ada")
    desk.database.run(  # with the ids that they had there
        "INSERT INTO notice (id, site, profile_id, content, source, created)"
        " SELECT n, :site, :ada, 'old ' || n, 'web', 1290513600 FROM generate_series(1000, 1029) AS n",
        site=SITE, ada=ada,
    )  # fmt: skip
    desk.connection.commit()
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, rows=30) as source:
        carry_over(pg_database.config(), source_url=source.url, table="queue_item", site=SITE)

    drain(snqd)

    bodies = Counter(frame.partition(b"<body>")[2] for frame in desk.queued("xmppout") if b"bob@example.org" in frame)
    assert len(bodies) == 21
    assert set(bodies.values()) == {1}
    desk.close()


def test_a_feed_is_followed_by_a_service_and_its_workers(desk: Desk, snqd: Command) -> None:
    snqd.write("quick.py", QUICK_SERVICE)
    configure(snqd, desk.url, "quick", "feeds.handlers", "notices.handlers")
    desk.member("bob")

    def posted() -> list[str]:
        found = [content for (content,) in desk.database.run("SELECT content FROM notice ORDER BY id")]
        desk.connection.commit()
        return found

    def is_read() -> bool:
        found = bool(desk.database.value("SELECT is_read FROM feed"))
        desk.connection.commit()
        return found

    with FeedServer.running() as server:
        number = follow(desk.app, server.url(), "ada_elsewhere", interval_seconds=1)
        desk.connection.commit()
        with running(snqd):
            wait_until(is_read, "the feed to be read", seconds=30)
            server.publish(2, 1)
            wait_until(posted, "the new entry to be a notice", seconds=30)

    assert number == 1
    assert posted() == ["note 2 https://elsewhere.example/2"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_name_that_is_not_known_in_the_settings_is_told(desk: Desk, snqd: Command) -> None:
    configure(snqd, desk.url, "notices.handlers")
    snqd.write("snqd.toml", (snqd.folder / "snqd.toml").read_text().replace("public =", "publick ="))
    people.register(desk.app, "ada")
    queue.enqueue(desk.connection, "distrib", 1, site=SITE)
    desk.connection.commit()

    snqd("drain")

    assert "publick" in snqd("items", "list", "--json").out

"""Feeds of people elsewhere: asked politely, new entries queued once, and no server can stop the others."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import feeds.fetching
from feeds.fetching import retry_after
from feeds.following import Poll, follow, take_due
from feeds.handlers import ask
from feeds.parsing import NoFeed, parse, plain_text
from feeds.schedule import LONGEST_SECONDS, Answer, wait_seconds
from feeds.service import queue_due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.notices import Desk

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Ada elsewhere</title><id>urn:ada</id>
<updated>2010-11-23T12:00:00Z</updated>
{entries}</feed>"""
ENTRY = """<entry><id>urn:ada:{n}</id><title>note {n}</title><link href="https://elsewhere.example/{n}"/>
<published>2010-11-23T12:00:{n:02}Z</published><updated>2010-11-23T12:00:{n:02}Z</updated></entry>"""
RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>
<item><guid isPermaLink="false">1</guid><title>&lt;b&gt;bold&lt;/b&gt; &amp;amp; more</title><link>https://elsewhere.example/1</link></item>
<item><link>https://elsewhere.example/2</link><description>no title</description></item>
<item><title>nothing to know it by</title></item>
</channel></rss>"""


def atom(*numbers: int) -> bytes:
    return ATOM.format(entries="".join(ENTRY.format(n=n) for n in numbers)).encode()


class FeedServer(ThreadingHTTPServer):
    """A web server with one feed at /feed, which answers as the test wants."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.document = atom(1)
        self.etag = '"1"'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.location = ""
        self.asked: list[dict[str, str]] = []
        self.stuck = threading.Event()

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[FeedServer]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield server
            finally:
                server.stuck.set()
                server.shutdown()
                thread.join()

    def url(self, path: str = "/feed") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def publish(self, *numbers: int) -> None:
        self.document = atom(*numbers)
        self.etag = f'"{numbers}"'


class _Answering(BaseHTTPRequestHandler):
    server: FeedServer

    def do_GET(self) -> None:
        server = self.server
        server.asked.append({name.lower(): value for name, value in self.headers.items()})
        if self.path == "/moved":
            self._answer(301, {"Location": "/feed"}, b"")
        elif self.path == "/stuck":
            server.stuck.wait(30)
        elif server.status != 200:
            self._answer(server.status, server.headers, b"not now")
        elif self.headers.get("If-None-Match") == server.etag:
            self._answer(304, {"ETag": server.etag}, b"")
        else:
            found = {
                "Content-Type": "application/atom+xml",
                "ETag": server.etag,
                "Last-Modified": formatdate(0, usegmt=True),
            }
            self._answer(200, {**found, **server.headers}, server.document)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_words: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer.running() as server:
        yield server


@pytest.fixture
def town(desk: Desk) -> Desk:
    """Bob, who is here."""
    desk.member("bob")
    return desk


def begin(desk: Desk, server: FeedServer, path: str = "/feed") -> int:
    """Follow the server's feed, and let Bob follow the one who writes it."""
    number = follow(desk.app, server.url(path), "ada_elsewhere")
    desk.database.run(
        "INSERT INTO subscription (subscriber, subscribed)"
        " SELECT member.profile_id, feed.profile_id FROM member, feed WHERE feed.id = :feed",
        feed=number,
    )
    desk.connection.commit()
    return number


def poll(desk: Desk, *, later: float = 0.0) -> int:
    """What is due `later` seconds from now is taken, asked and kept; how many feeds."""
    taken = take_due(desk.database, time.time() + later, taken_seconds=300)
    desk.connection.commit()
    for due in taken:
        found = asyncio.run(ask(due.poll))
        desk.handle("feedfound", msgspec.to_builtins(found), site=due.site)
    desk.connection.commit()
    return len(taken)


def posted(desk: Desk) -> list[str]:
    desk.work()
    desk.sent()
    return [content for (content,) in desk.database.run("SELECT content FROM notice ORDER BY id")]


def state(desk: Desk) -> tuple[int, str, float, bool]:
    """Failures in a row, the last error, seconds until the next poll, and whether it is gone."""
    row = desk.database.row("SELECT failures, last_error, next_poll, is_gone FROM feed")
    assert row is not None
    return row[0], row[1], row[2] - time.time(), bool(row[3])


def test_new_entries_become_notices_in_the_order_in_which_they_were_written(town: Desk, server: FeedServer) -> None:
    server.publish(2, 1)
    begin(town, server)
    assert poll(town) == 1
    assert posted(town) == []  # what was there before is not new

    server.publish(4, 3, 2, 1)
    assert poll(town, later=1000) == 1
    town.work()

    assert sorted(town.sent()) == sorted(
        (jid, f"ada_elsewhere: note {n} https://elsewhere.example/{n} [{number}]")
        for number, n in ((1, 3), (2, 4))
        for jid in ("bob@example.org", "firehose@example.org")
    )
    assert posted(town) == ["note 3 https://elsewhere.example/3", "note 4 https://elsewhere.example/4"]


def test_a_feed_that_has_not_changed_is_not_sent_again(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    poll(town)
    poll(town, later=1000)

    assert "if-none-match" not in server.asked[0]
    assert server.asked[1]["if-none-match"] == '"1"'
    assert server.asked[1]["if-modified-since"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert state(town)[:2] == (0, "")


def test_an_entry_that_is_found_or_posted_twice_is_one_notice(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    poll(town)
    server.publish(2, 1)
    (due,) = take_due(town.database, time.time() + 1000, taken_seconds=0)
    found = msgspec.to_builtins(asyncio.run(ask(due.poll)))
    town.handle("feedfound", found)
    entries = town.queued("feedentry")
    town.handle("feedfound", found)
    for entry in entries * 2:
        town.handle("feedentry", entry)

    assert len(entries) == 1
    assert posted(town) == ["note 2 https://elsewhere.example/2"]


def test_a_feed_that_was_taken_is_not_due_again_at_once(town: Desk, server: FeedServer) -> None:
    begin(town, server)

    assert queue_due(town.url) == 1
    assert queue_due(town.url) == 0
    assert [payload["url"] for payload in town.queued("feedpoll")] == [server.url()]


def test_failures_are_kept_in_words_and_asked_ever_more_seldom(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    server.status = 503
    waits = []
    for _ in range(3):
        poll(town, later=1e6)
        waits.append(state(town)[2])

    assert state(town)[:2] == (3, "the server answers 503 Service Unavailable")
    assert 1600 < waits[0] < 2000 < 3200 < waits[1] < 4000 < 6400 < waits[2] < 8000

    server.status = 200
    poll(town, later=1e6)
    assert state(town)[:2] == (0, "")


def test_the_server_says_when_to_come_back(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    server.status, server.headers = 429, {"Retry-After": "20000"}
    poll(town)

    assert 19990 < state(town)[2] <= 20001


def test_a_page_in_the_place_of_a_feed_does_not_make_its_old_entries_new(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    server.document = b"<html><body>back in a minute</body></html>"
    poll(town)
    assert state(town)[0] == 1

    server.publish(2, 1)
    poll(town, later=1e6)
    assert state(town)[0] == 0
    assert posted(town) == []


def test_a_feed_that_is_gone_is_not_asked_again(town: Desk, server: FeedServer) -> None:
    begin(town, server)
    server.status = 410
    poll(town)

    assert state(town)[3]
    assert poll(town, later=1e9) == 0


def test_a_feed_that_has_moved_for_good_is_asked_at_its_new_place(town: Desk, server: FeedServer) -> None:
    begin(town, server, "/moved")
    poll(town)

    assert town.database.value("SELECT url FROM feed") == server.url("/feed")


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"<html><body>please log in</body></html>", "that is no feed"),
        (b"", "that is no feed"),
        (b"/etc/passwd", "that is no feed"),
        (b"x" * 3_000_000, "it is larger than 1 MiB"),
    ],
)
async def test_a_document_that_is_no_feed_is_a_failure(
    server: FeedServer, document: bytes, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds.fetching, "SIZE_LIMIT_BYTES", 1024 * 1024)
    server.document = document

    found = await ask(Poll(1, server.url()))

    assert found.error.startswith(error)
    assert found.entries == ()


async def test_a_server_that_says_nothing_does_not_hold_the_worker(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds.fetching, "SECONDS", 0.3)

    assert (await ask(Poll(1, server.url("/stuck")))).error == "no answer within 0.3 seconds"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/feed", "file:///etc/passwd", "http://", "nonsense", "http://[::1"])
async def test_an_address_where_nobody_answers_is_a_failure(url: str) -> None:
    found = await ask(Poll(1, url))

    assert found.status == 0
    assert found.error


def test_rss_and_html_in_titles_become_plain_text() -> None:
    assert [
        (entry.id, entry.title, entry.published) for entry in parse(RSS.encode(), url="https://elsewhere.example/")
    ] == [
        ("1", "bold & more", None),
        ("https://elsewhere.example/2", "no title", None),
    ]
    assert plain_text("a <b>b</b>\n &lt;c> <script>d</script>") == "a b <c>"


@pytest.mark.parametrize(
    "document",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><feed xmlns="http://www.w3.org/2005/Atom">'
        b"<entry><id>1</id><title>&a;</title></entry></feed>",
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
            b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
        ) + b']><feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>&j;</title></entry></feed>',
    ],
)  # fmt: skip
def test_entities_of_a_hostile_feed_bring_nothing_in(document: bytes) -> None:
    try:
        titles = [entry.title for entry in parse(document, url="https://elsewhere.example/")]
    except NoFeed:
        titles = []

    assert all("root:" not in title and len(title) <= 500 for title in titles)


def test_waiting_doubles_with_each_failure_up_to_a_day() -> None:
    failed = Answer(0, "no answer")

    waits = [wait_seconds(failed, failures=n, interval=900, chance=0.5) for n in range(1, 40)]
    assert waits[:3] == [1800, 3600, 7200]
    assert waits[-1] == LONGEST_SECONDS
    assert wait_seconds(Answer(200), failures=0, interval=900, chance=0.0) == pytest.approx(810)
    assert wait_seconds(Answer(200), failures=0, interval=900, chance=1.0) == pytest.approx(990)
    assert wait_seconds(Answer(503, "x", 1e12), failures=1, interval=900, chance=0.5) == LONGEST_SECONDS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), (" 0 ", 0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
     ("", None), ("soon", None), ("-5", None), ("1e9", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after(header, now=10.0) == seconds

"""The example application on a real store of either kind, worked item by item in the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

import feeds
import notices
import snqd
from feeds import handlers as feed_handlers
from notices import handlers, people
from notices.app import Settings, app_on
from notices.database import Database, connect, upgrade
from snqd.config.schema import StoreConfig
from snqd.handlers.base import bind
from snqd.handlers.context import Context, Site
from snqd.items import Item, ItemId, QueueName, SiteName, decode
from snqd.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Database as PostgresDatabase

EXAMPLES = Path(notices.__file__).resolve().parents[1]
SITE = "example.net"
SETTINGS = {"notices": {"name": "Example", "url": "https://example.net", "public": ["firehose@example.org"]}}


class Desk:
    """The application of one site, and what it has enqueued."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = connect(url)
        self.database = Database(self.connection)
        if self.database.kind == "sqlite":
            self.database.run("PRAGMA synchronous = OFF")  # no test cuts the power
        for package in (notices, feeds):
            upgrade(self.database, Path(package.__file__ or "").parent)
        self.connection.commit()
        settings = SETTINGS["notices"]
        self.app = app_on(
            self.connection,
            SITE,
            Settings(name=str(settings["name"]), url=str(settings["url"]), public=tuple(settings["public"])),
        )

    def member(self, nickname: str, *, jid: str | None = "") -> int:
        """A member; without `jid`, at nickname@example.org."""
        return people.register(self.app, nickname, jid=f"{nickname}@example.org" if jid == "" else jid)

    def subscribe(self, subscriber: str, subscribed: str) -> None:
        people.subscribe(self.app, people.find(self.app, subscriber).id, people.find(self.app, subscribed))

    def queued(self, queue: str) -> list[Any]:
        """Payloads that wait in a queue."""
        rows = self.database.run("SELECT frame, codec FROM queue_item WHERE queue = :queue ORDER BY id", queue=queue)
        return [decode(bytes(frame), codec) for frame, codec in rows]

    def work(self) -> None:
        """Handle all that waits, and what comes of it, each item as a transactional handler of snqd is run."""
        while self._work_one():
            pass

    def _work_one(self) -> bool:
        row = self.database.row(
            "SELECT id, site, queue, codec, frame FROM queue_item WHERE queue <> 'xmppout' ORDER BY id LIMIT 1"
        )
        if row is None:
            return False
        number, site, queue, codec, frame = row
        self.handle(queue, decode(bytes(frame), codec), site=site)
        self.database.run("DELETE FROM queue_item WHERE id = :id", id=number)
        self.connection.commit()
        return True

    def handle(self, queue: str, payload: Any, *, site: str = SITE) -> None:
        """Run a queue's handler once, and store what it enqueues."""
        item = Item(ItemId(1), 1, SiteName(site), QueueName(queue), "json", b"", 0, 0, 0.0, 0.0, 0)
        context = Context(item, Site(SiteName(site), SETTINGS), _never, connection=self.connection)
        bound = bind(getattr(handlers if hasattr(handlers, queue) else feed_handlers, queue), queue)
        assert bound is not None
        bound.call(payload, context)
        snqd.enqueue_many(self.connection, context.outbox)

    def say(self, sender: str, body: str) -> None:
        """Somebody sends a chat message, and everything that comes of it is done."""
        self.handle("xmppin", {"kind": "message", "from": sender, "to": SITE, "type": "chat", "id": "1", "body": body})
        self.work()

    def sent(self) -> list[tuple[str, str]]:
        """To whom messages go, and their bodies; they are forgotten then."""
        stanzas = [ElementTree.fromstring(frame) for frame in self.queued("xmppout")]
        self.database.run("DELETE FROM queue_item WHERE queue = 'xmppout'")
        return [(stanza.get("to", ""), stanza.findtext("body", "")) for stanza in stanzas]

    def close(self) -> None:
        self.connection.close()


def _never(_items: list[Any]) -> Any:
    raise AssertionError("a transactional handler enqueues in its own transaction")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.pg)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with tables, of each kind."""
    if request.param == "postgres":
        database: PostgresDatabase = request.getfixturevalue("pg_database")
        return database.url
    url = f"sqlite:///{tmp_path / 'snqd.db'}"
    store = SqliteStore(StoreConfig(url=url))
    store.connect()
    store.close()
    return url


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    """The application on each kind of store."""
    desk = Desk(store_url)
    yield desk
    desk.close()

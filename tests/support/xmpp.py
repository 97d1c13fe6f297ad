"""Connections without a daemon: the worker's side is a store in memory and lists."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.config.schema import Config, StoreConfig, XmppConfig
from snqd.errors import StoreUnavailable
from snqd.handlers.context import Site
from snqd.handlers.service import ServiceContext
from snqd.items import SiteName
from snqd.stores.memory import MemoryStore
from snqd.stores.records import ItemFilter
from snqd.xmpp.accounts import read_accounts
from snqd.xmpp.connection import XmppConnection
from snqd.xmpp.frames import as_client, as_component, read_frame
from snqd.xmpp.stanzas import message
from tests.support.prosody import COMPONENT, HOST, PASSWORD, SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from snqd.telemetry.events import Event
    from snqd.telemetry.facts import ConnectionFact
    from tests.support.xmpp_client import Server

SITE = SiteName("a")
JID = f"update@{HOST}"
SECONDS = 20.0


def client_settings(server: Server, **changes: Any) -> XmppConfig:
    """An account on the test's server."""
    known = {"enabled": True, "jid": JID, "password": PASSWORD, "host": "127.0.0.1", "port": server.port}
    return XmppConfig(**{**known, "ca_file": str(server.ca_file), **changes})


def component_settings(server: Server, **changes: Any) -> XmppConfig:
    """The test's component."""
    known = {"enabled": True, "jid": f"news@{COMPONENT}", "password": SECRET, "component": True, "host": "127.0.0.1"}
    return XmppConfig(**{**known, "port": server.component_port, **changes})


class Worker:
    """What a connection sees of its worker. `is_store_away` makes the store unreachable."""

    def __init__(self, xmpp: XmppConfig) -> None:
        self.events: list[Event] = []
        self.store = MemoryStore(StoreConfig(url=f"memory://{uuid.uuid4().hex}"))
        self.store.connect()
        self.is_store_away = False
        config = Config(xmpp=xmpp)
        sites = {SITE: Site(SITE)}
        self.context = ServiceContext(
            worker="test.1",
            config=config,
            read_sites=lambda: sites,
            sites_version=lambda: 0,
            submit=self._submit,
            emit=self.events.append,
        )
        (account,) = read_accounts(xmpp, sites).accounts.values()
        self.connection = XmppConnection(account, self.context)

    def _submit(self, call: Callable[[Any], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self.is_store_away:
            future.set_exception(StoreUnavailable("the store is away"))
        else:
            future.set_result(call(self.store))
        return future

    def send(self, to: str, body: str) -> asyncio.Future[None]:
        frame = read_frame(message(to, body))
        account = self.connection.account
        make = as_component if account.xmpp.component else as_client
        return self.connection.send(make(frame, account.xmpp.jid or ""))

    def input(self) -> list[dict[str, Any]]:
        """The payloads of `xmppin`, in order."""
        return [msgspec.json.decode(item.frame) for item in self.store.find(ItemFilter(queue="xmppin"))]

    def told(self, name: str) -> list[Any]:
        """Events of this name."""
        return [event for event in self.events if type(event).__name__ == name]

    @property
    def fact(self) -> ConnectionFact:
        (fact,) = self.context.facts.values()
        return fact

    async def until(self, fact: Callable[[], object], what: str, *, seconds: float = SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not fact():  # noqa: ASYNC110 - facts of other processes too
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"within {seconds} s it did not happen: {what}; {self.fact}; {self.events}") from None


@contextlib.asynccontextmanager
async def connected(xmpp: XmppConfig, *, wait: bool = True) -> AsyncIterator[Worker]:
    """A worker whose connection runs, and is up unless `wait` is False."""
    worker = Worker(xmpp)
    running = asyncio.create_task(worker.connection.run())
    try:
        if wait:
            await worker.until(lambda: worker.connection.is_connected, "it is connected")
        yield worker
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert worker.fact.state == "closed"

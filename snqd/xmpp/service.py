"""The worker of the group `xmpp`: the connections are its service, and `xmppout` is sent through them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.errors import BadItem
from snqd.handlers.base import Handler
from snqd.handlers.outcomes import Interrupted, Reject
from snqd.handlers.service import Service
from snqd.telemetry.events import SiteSetAside
from snqd.xmpp.away import Away, NotConnected
from snqd.xmpp.frames import as_client, as_component, read_frame
from snqd.xmpp.stanzas import QUEUE_OUT

if TYPE_CHECKING:
    from snqd.handlers.context import Context
    from snqd.handlers.service import ServiceContext
    from snqd.items import SiteName
    from snqd.xmpp.accounts import Account
    from snqd.xmpp.connection import XmppConnection

_CONCURRENCY = 200
"""Stanzas that may be on their way at once. So many a round trip is what a server far away gets; so many come twice at
most when a connection is lost.
"""
_LOOK_SECONDS = 1.0
"""How often it is looked whether sites have changed."""


class _Open(NamedTuple):
    connection: XmppConnection
    tasks: tuple[asyncio.Task[None], ...]


class _Line(NamedTuple):
    """What a site's stanzas go through."""

    jid: str
    connection: XmppConnection
    away: Away


def _bytes_of(payload: Any) -> bytes:
    """Whoever wrote the item by hand may have given it another codec."""
    if isinstance(payload, str):
        return payload.encode()
    if not isinstance(payload, bytes):
        raise BadItem("payload is no stanza: enqueue it with codec xml")
    return payload


class XmppOut(Handler, Service):
    """An item of `xmppout` is done when the server has its stanza. Stanzas are written in the order of their items."""

    queue = QUEUE_OUT
    group = "xmpp"
    concurrency = _CONCURRENCY
    waits = True
    time_limit_seconds = 0.0  # it waits for as long as the server is away

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._lines: dict[SiteName, _Line] = {}
        self._refused: dict[SiteName, str] = {}
        self._has_begun = asyncio.Event()
        self._is_leaving = False

    async def run(self, context: ServiceContext) -> None:
        version = None
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    if version != context.sites_version:
                        version = context.sites_version
                        await self._go_by_sites(context, tasks)
                        self._has_begun.set()
                    await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._has_begun.clear()
            for name in list(self._open):
                self._forget(name)

    async def _go_by_sites(self, context: ServiceContext, tasks: asyncio.TaskGroup) -> None:
        """Open what is new, close what is gone, and make anew what has changed."""
        from snqd.xmpp.accounts import read_accounts  # with the library, which takes half a second: only here

        accounts, refused = read_accounts(context.config.xmpp, context.sites)
        for site, reason in refused.items():
            if self._refused.get(site) != reason:
                context.emit(SiteSetAside(site=site, reason=reason))
        self._refused = refused
        gone = [name for name, opened in self._open.items() if accounts.get(name) != opened.connection.account]
        for name in gone:
            opened = self._forget(name)
            for task in opened.tasks:
                task.cancel()
            await asyncio.wait(opened.tasks)
            context.forget(opened.connection.fact)
        for account in accounts.values():
            if account.name not in self._open:
                self._start(account, context, tasks)

    def _start(self, account: Account, context: ServiceContext, tasks: asyncio.TaskGroup) -> None:
        from snqd.xmpp.connection import XmppConnection

        connection = XmppConnection(account, context)
        away = Away(connection, context, is_needed=lambda: len(self._open) > 1)
        started = (
            tasks.create_task(connection.run(), name=f"xmpp {account.name}"),
            tasks.create_task(away.run(), name=f"xmpp {account.name} away"),
        )
        self._open[account.name] = _Open(connection, started)
        self._lines |= {site: _Line(jid, connection, away) for jid, site in account.addresses.items()}

    def _forget(self, name: str) -> _Open:
        opened = self._open.pop(name)
        for site in opened.connection.account.sites:
            self._lines.pop(site, None)
        opened.connection.let_go(NotConnected(), at_once=True)
        return opened

    def leave(self) -> None:
        """What no server is there for now goes back: it is not worth the grace period."""
        self._is_leaving = True
        for line in self._lines.values():
            line.connection.let_go(NotConnected())

    async def handle(self, payload: Any, context: Context) -> None:
        line = await self._line_of(context.site.name)
        try:
            frame = read_frame(_bytes_of(payload), limit_bytes=line.connection.account.xmpp.stanza_limit_bytes)
            is_component = line.connection.account.xmpp.component
            data = as_component(frame, line.jid) if is_component else as_client(frame, line.jid)
        except BadItem as error:
            raise Reject(str(error)) from None
        if self._is_leaving and not line.connection.is_connected:
            raise Interrupted
        if line.away.is_away:
            raise Interrupted
        taken = line.connection.send(data)
        context.waiting()
        try:
            await taken
        except NotConnected:
            raise Interrupted from None

    async def _line_of(self, site: SiteName) -> _Line:
        await self._has_begun.wait()  # the first items may be claimed before that
        line = self._lines.get(site)
        if line is None and site in self._refused:
            raise Reject(self._refused[site])
        if line is None:
            raise Reject(f"site {site!r} has no XMPP: enable it ([xmpp] enabled = true), then 'snqd dead replay'")
        return line

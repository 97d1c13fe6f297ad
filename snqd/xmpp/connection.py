"""`XmppConnection`: one account or component, kept connected for as long as the worker lives.

    connecting ──▶ connected ──▶ backing off ──▶ connecting …          closed: the worker is leaving

A stanza that is given to `send` waits until the server has it: through a lost session, through the back-off, through
as many sessions as it takes. Whether the server has it is known by its acknowledgements (XEP-0198), or, where it has
none, by a ping that comes back: what was written before it has been through the server by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Literal

from snqd.config.xmpp import password_of
from snqd.errors import ConfigError
from snqd.retry import Backoff
from snqd.telemetry.events import ConnectionDown, ConnectionUp, InputRefused
from snqd.telemetry.facts import ConnectionFact
from snqd.xmpp.inbox import Inbox
from snqd.xmpp.input import InputReader, Refused
from snqd.xmpp.link import PING_PREFIX, Link, LinkLost
from snqd.xmpp.outgoing import Outgoing, Parcel, TooManyAcknowledged
from snqd.xmpp.stanzas import presence

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from snqd.handlers.service import ServiceContext
    from snqd.xmpp.accounts import Account

SERVICE = "xmpp"
State = Literal["connecting", "connected", "backing off", "closed"]

_BACKOFF = Backoff(first_seconds=1.0, factor=2.0, limit_seconds=60.0, jitter=0.5)
_REFUSED_BACKOFF = Backoff(first_seconds=15.0, factor=2.0, limit_seconds=300.0, jitter=0.2)
"""After a refusal (password, certificate): somebody has to do something first."""
_SETTLED_SECONDS = 2.0
"""A session that lasts so long ends a row of failures."""
_ASK_EVERY = 16
"""Stanzas: so often the server is asked what it has, so that it and we work at the same time."""
_ASKED_AT_ONCE = 4
"""Most questions of that kind that are open."""
_WRITE_AT_ONCE = 256
_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 0.5
"""When we are leaving: time to store what has come in."""


class XmppConnection:
    """`run` it once; `send` may be called at any time, on the same event loop."""

    def __init__(self, account: Account, context: ServiceContext) -> None:
        self.account = account
        self._context = context
        self._inbox = Inbox(context.enqueue, self._stored)
        self._input = InputReader(account, context.config.store.frame_limit_bytes)
        self._outgoing = Outgoing()
        self._opening: Link | None = None
        self._link: Link | None = None
        """The session, once it is ready."""
        self.connected = asyncio.Event()
        self._is_flush_due = False
        self._state: State = "connecting"
        self._since = time.time()
        self._problem = ""
        self._retry_at = 0.0
        self._ping_seconds = -1.0
        self._connects = 0
        self._base = 0  # of the inbox: received when the session began
        self._is_asked = False
        self._marks: dict[str, tuple[float, int]] = {}  # pings on their way: when, and what was written before
        self._pings = 0
        self._asked: list[float] = []  # when, of the questions (XEP-0198) that are not answered

    @property
    def is_connected(self) -> bool:
        return self.connected.is_set()

    @property
    def down_seconds(self) -> float:
        """For how long it has not been connected."""
        return 0.0 if self.is_connected else time.time() - self._since

    @property
    def problem(self) -> str:
        return self._problem

    def send(self, data: bytes) -> asyncio.Future[None]:
        """Send a stanza as `frames.py` has found it good; the result is there when the server has it."""
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outgoing.add(Parcel(data, taken))
        self._flush_soon()
        return taken

    def let_go(self, reason: BaseException, *, at_once: bool = False) -> None:
        """Give up what waits, unless a session is there to take it. `at_once`: even then, since nobody will."""
        if self._link is None or at_once:
            self._outgoing.let_go(reason)

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        told = ""
        try:
            while True:
                self._change("connecting", problem=self._problem)
                began = time.monotonic()
                lost = await self._one_session()
                lasted = self.is_connected and time.monotonic() - began >= _SETTLED_SECONDS
                if self.is_connected:
                    told = ""
                failures = 1 if lasted else failures + 1
                delay = (_REFUSED_BACKOFF if lost.is_refused else _BACKOFF).delay(failures, random.random())
                self._change("backing off", problem=lost.reason, retry_at=time.time() + delay)
                if told != lost.reason:
                    told = lost.reason
                    self._tell_down(lost.reason, delay)
                await asyncio.sleep(delay)
        finally:
            self._change("closed", problem=self._problem)

    # ---- a session

    async def _one_session(self) -> LinkLost:
        """Connect, and serve until the session is lost; why it was."""
        try:
            link = self._opening = Link(self.account, password_of(self.account.xmpp), self)
        except ConfigError as error:
            return LinkLost(str(error), is_refused=True)
        except LinkLost as error:
            return error
        try:
            await link.open()
            while not link.lost.done():
                await asyncio.wait([link.lost], timeout=_LOOK_SECONDS)
                self._look(link)
            return link.lost.result()
        except LinkLost as lost:
            return lost
        finally:
            await self._end(link)

    def ready(self) -> None:
        link = self._link = self._opening
        assert link is not None, "it is the one that says so"
        if not link.has_acks:
            self.began()
        self._marks.clear()
        self._asked.clear()
        self._connects += 1
        down = time.time() - self._since
        self._change("connected")
        account = self.account
        self._context.emit(
            ConnectionUp(
                worker=self._context.worker,
                service=SERVICE,
                name=account.name,
                site=account.only_site,
                after_seconds=round(down, 3),
            )
        )
        if not account.xmpp.component:
            self._write(presence(status=account.xmpp.status, priority=account.xmpp.priority))
        self._flush()

    async def _end(self, link: Link) -> None:
        self._link = None
        self._outgoing.begin_again()
        if not link.lost.done():  # we are leaving: the server need not keep what we have stored
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._inbox.settle(), _SETTLE_SECONDS)
            self._acknowledge_input(link)
        await link.close()

    def _look(self, link: Link) -> None:
        """Once a second: is the server still there?"""
        xmpp = self.account.xmpp
        now = asyncio.get_running_loop().time()
        if self._inbox.is_full:  # the store is away, and what the server has answered is not read
            self._asked = [now for _at in self._asked]
            self._marks = {number: (now, mark) for number, (_at, mark) in self._marks.items()}
        open_since = min([*self._asked[:1], *(at for at, _mark in self._marks.values())], default=now)
        if now - open_since > xmpp.ping_timeout_seconds:
            link.fail(f"the server has not answered for {xmpp.ping_timeout_seconds:g} s")
        elif now - link.heard_at >= xmpp.ping_seconds and not self._marks and not link.lost.done():
            self._ping()
        self._tell()

    # ---- output

    def _flush_soon(self) -> None:
        """Stanzas that are given in one turn of the loop are written together."""
        if not self._is_flush_due and self._link is not None:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        link = self._link
        if link is None:
            return
        parts: list[bytes] = []
        while len(parts) < _WRITE_AT_ONCE and (stanzas := self._outgoing.take(_ASK_EVERY)):
            parts += stanzas
            if question := self._question(link):
                parts.append(question)
        if parts:
            link.write(b"".join(parts))
        if self._outgoing.is_waiting:
            self._flush_soon()

    def _question(self, link: Link) -> bytes:
        """What makes the server say what it has; empty while enough such questions are open."""
        if len(self._asked) + len(self._marks) >= _ASKED_AT_ONCE:
            return b""
        if link.has_acks:
            self._asked.append(asyncio.get_running_loop().time())
            return b"<r xmlns='urn:xmpp:sm:3'/>"
        return self._make_ping()

    def _ask_again(self) -> None:
        """A question was answered; is there something that none of the open ones is about?"""
        link = self._link
        if link is None:
            return
        is_open = bool(self._asked) or any(mark >= self._outgoing.written for _at, mark in self._marks.values())
        if self._outgoing.is_unacknowledged and not is_open and (question := self._question(link)):
            link.write(question)

    def _make_ping(self) -> bytes:
        """A ping that goes to the server and comes back. A component asks itself: that too passes the server."""
        self._pings += 1
        number = f"{PING_PREFIX}{self._pings}"
        self._outgoing.wrote_another()
        self._marks[number] = (asyncio.get_running_loop().time(), self._outgoing.written)
        name = self.account.name
        to = f"from='{name}' to='{name}'" if self.account.xmpp.component else f"to='{name.rpartition('@')[2]}'"
        return f"<iq type='get' id='{number}' {to}><ping xmlns='urn:xmpp:ping'/></iq>".encode()

    def _ping(self) -> None:
        if self._link is not None:
            self._link.write(self._make_ping())

    def _write(self, stanza: bytes) -> None:
        """A stanza of our own that nobody waits for."""
        if self._link is not None:
            self._outgoing.wrote_another()
            self._link.write(stanza)

    # ---- what the link tells

    def began(self) -> None:
        self._base = self._inbox.received
        self._is_asked = False
        self._outgoing.begin_count()

    def received(self, stanza: Element) -> None:
        found = self._input.read(stanza)
        if found.refused is not None:
            self._tell_refused(found.refused)
        self._inbox.take(found.item)
        for answer in found.answers:
            self._write(answer)
        if self._inbox.is_full and self._link is not None:
            self._link.pause_reading()

    def acknowledged(self, number: int) -> None:
        del self._asked[:1]
        try:
            self._outgoing.acknowledge(number)
        except TooManyAcknowledged as error:
            if self._link is not None:
                self._link.fail(str(error))
            return
        self._ask_again()

    def asked(self) -> None:
        self._is_asked = True
        if self._inbox.settled == self._inbox.received and self._link is not None:
            self._acknowledge_input(self._link)

    def answered(self, ping: str) -> None:
        at, mark = self._marks.pop(ping, (0.0, -1))
        if mark < 0:
            return
        self._ping_seconds = asyncio.get_running_loop().time() - at
        if self._link is not None and not self._link.has_acks:
            self._outgoing.acknowledge(mark)
        self._ask_again()

    def wrote(self) -> None:
        self._outgoing.wrote_another()

    def _stored(self) -> None:
        link = self._link
        if link is None:
            return
        if self._is_asked:
            self._acknowledge_input(link)
        if not self._inbox.is_full:
            link.resume_reading()

    def _acknowledge_input(self, link: Link) -> None:
        """Tell the server what we have stored of this session's input."""
        if link.has_acks:
            self._is_asked = self._inbox.settled < self._inbox.received
            have = max(0, self._inbox.settled - self._base) % 2**32
            link.write(f"<a xmlns='urn:xmpp:sm:3' h='{have}'/>".encode())

    # ---- telling

    def _change(self, state: State, *, problem: str = "", retry_at: float = 0.0) -> None:
        if (state == "connected") != self.is_connected or state == "closed":
            self._since = time.time()
        self._state, self._problem, self._retry_at = state, problem, retry_at
        if state == "connected":
            self.connected.set()
        else:
            self.connected.clear()
        self._tell()

    @property
    def fact(self) -> ConnectionFact:
        account, outgoing = self.account, self._outgoing
        return ConnectionFact(
            worker=self._context.worker,
            service=SERVICE,
            name=account.name,
            site=account.only_site,
            state=self._state,
            since=round(self._since, 3),
            problem=self._problem,
            retry_at=round(self._retry_at, 3),
            ping_seconds=round(self._ping_seconds, 6),
            sent=outgoing.sent,
            acknowledged=outgoing.acknowledged,
            unacknowledged=len(outgoing),
            received=self._inbox.received,
            connects=self._connects,
        )

    def _tell(self) -> None:
        self._context.tell(self.fact)

    def _tell_down(self, reason: str, retry_seconds: float) -> None:
        self._context.emit(
            ConnectionDown(
                worker=self._context.worker,
                service=SERVICE,
                name=self.account.name,
                site=self.account.only_site,
                error=reason,
                retry_seconds=round(retry_seconds, 3),
            )
        )

    def _tell_refused(self, refused: Refused) -> None:
        self._context.emit(
            InputRefused(
                worker=self._context.worker,
                service=SERVICE,
                name=self.account.name,
                site=refused.site,
                sender=refused.sender,
                error=refused.error,
            )
        )
